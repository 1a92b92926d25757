"""Trims Discord's OpenAPI description to what the simulator answers.

Usage: trim.py FULL_DESCRIPTION > discord.json      or, to compare: trim.py FULL_DESCRIPTION --check
"""

import json
import sys
from pathlib import Path

OPERATIONS = {
    "get_active_guild_threads",
    "get_bot_gateway",
    "get_channel",
    "get_gateway",
    "get_guild",
    "get_guild_member",
    "get_message",
    "get_my_application",
    "get_my_oauth2_application",
    "get_my_user",
    "guild_search",
    "list_guild_channels",
    "list_guild_roles",
    "list_messages",
    "list_my_guilds",
    "list_my_private_archived_threads",
    "list_pins",
    "list_private_archived_threads",
    "list_public_archived_threads",
    "thread_search",
}

# Prose, and what no check here reads.
LEFT_OUT = {"description", "title", "x-enum-varnames", "security", "tags", "summary"}


def without_prose(value, named=False):
    """Drops prose; the names of properties and schemas stay whatever they are."""
    if isinstance(value, dict):
        return {
            key: without_prose(item, key in ("properties", "schemas", "responses", "paths"))
            for key, item in value.items()
            if named or key not in LEFT_OUT or not isinstance(item, (str, list))
        }
    if isinstance(value, list):
        return [without_prose(item) for item in value]
    return value


def references(value):
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def trim(full):
    paths = {}
    for path, methods in full["paths"].items():
        shared = {key: item for key, item in methods.items() if key == "parameters"}
        kept = {
            method: operation
            for method, operation in methods.items()
            if method != "parameters" and operation.get("operationId") in OPERATIONS
        }
        if kept:
            paths[path] = shared | kept
    components = {}
    wanted = sorted(set(references(paths)))
    while wanted:
        _, _, family, name = wanted.pop().split("/")
        if name in components.setdefault(family, {}):
            continue
        components[family][name] = full["components"][family][name]
        wanted.extend(references(components[family][name]))
    components = {family: dict(sorted(items.items())) for family, items in components.items()}
    kept = {"openapi": full["openapi"], "info": full["info"], "paths": paths}
    return without_prose(kept | {"components": components})


def main():
    full = json.loads(Path(sys.argv[1]).read_text())
    trimmed = json.dumps(trim(full), indent=1, sort_keys=True) + "\n"
    if "--check" in sys.argv:
        held = (Path(__file__).parent / "discord.json").read_text()
        sys.exit(0 if held == trimmed else "discord.json is not what trim.py makes of this description")
    sys.stdout.write(trimmed)


if __name__ == "__main__":
    main()
