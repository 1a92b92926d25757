# syntax=docker/dockerfile:1
#
# docker build -t bowerbird .
# docker run --env-file .env --stop-timeout 30 -v bowerbird-state:/state -v bowerbird-archive:/archive bowerbird --fetch-history

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
# The caches outlive a build, so a changed line compiles what it touches and no more.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin bowerbird \
    && cp target/release/bowerbird /usr/local/bin/

FROM debian:bookworm-slim
# The gateway's connection checks certificates against those of the system, and stills are made by ffmpeg.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates ffmpeg \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin bowerbird \
    && install --directory --owner=bowerbird --group=bowerbird /state /archive
COPY --from=build /usr/local/bin/bowerbird /usr/local/bin/bowerbird

USER bowerbird
ENV STATE_DIR=/state \
    ARCHIVE_DIR=/archive \
    STATUS_ADDR=0.0.0.0:9090
VOLUME ["/state", "/archive"]
EXPOSE 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["bowerbird", "healthcheck"]
ENTRYPOINT ["bowerbird"]
