# The commands of this project. `make help` lists them.

SHELL := /bin/sh
# Programs and tests are compiled together: by themselves programs would take each library with other features than the
# tests do, and all of them would be compiled once more.
BUILD := cargo build --workspace --bins --tests
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench soak fuzz mutants

# Bash counts its own age in SECONDS and may export it, so only the command line is believed: `make demo SECONDS=60`.
ifneq ($(origin SECONDS),command line)
SECONDS :=
endif

help: ## lists the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## installs what tests and demo need and this machine lacks
	@scripts/setup compiler ffmpeg browser python faketime

demo: ## shows the service at work on a simulated Discord; SECONDS=60 ends it after a minute and checks the result
	@scripts/setup compiler ffmpeg
	$(BUILD)
	target/debug/demo $(if $(SECONDS),--seconds $(SECONDS))

test: setup ## runs every test
	$(BUILD)
	cargo test --workspace --no-fail-fast

lint: ## checks format, lints, types of the page, dependencies and documentation
	@scripts/setup compiler node
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	scripts/tsc
	scripts/cargo-deny check bans licenses sources
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

bench: setup ## prints the figures of docs/figures.md, each beside its ceiling
	cargo bench --package bowerbird --bench pure
	$(BUILD)
	cargo test --workspace --test it -- --nocapture --test-threads 1 fetch::everything fetch::limits kill:: memory::a_gigabyte link_mode::no_published thumbnails::links
	cargo test --workspace --test it -- --ignored --nocapture --test-threads 1 world::restore::time

fuzz: ## feeds made-up bytes to whatever reads strangers' bytes, SECONDS=60 for each reader; needs a nightly compiler
	@scripts/setup compiler c++
	scripts/fuzz $(or $(SECONDS),60)

soak: setup ## searches for failures at full size; BOWERBIRD_SOAK=3600 draws schedules for an hour instead of ten minutes
	cargo test --release --package bowerbird --test it -- --ignored --nocapture soak

mutants: ## breaks each guarantee on purpose and shows the test that fails for it; ONLY=flush-removed tries one
	@scripts/setup compiler ffmpeg
	scripts/mutants $(ONLY)
