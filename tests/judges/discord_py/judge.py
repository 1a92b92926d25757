"""Judges the simulated Discord with discord.py, unchanged but for the addresses.

Usage: judge.py PATH_TO_DISCORD_SIM

Starts the simulator, logs in as a bot would, and compares what discord.py understands with what the
simulator's world holds. Prints a line for each check, and the counts as the last line.
Exits with 1 when a check failed, and with 2 when the simulator could not be used at all.
"""

import asyncio
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import discord
import discord.gateway
import discord.http
import yarl

# Far beyond what a busy machine needs, and an end for what hangs.
PATIENCE = 60

# The one clip that is posted live.
CLIP = bytes(range(256)) * 40

THREADS = {10, 11, 12}
FORUMS = {15, 16}


class Report:
    """Counts and prints checks."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def equal(self, what, got, expected):
        if got == expected:
            self.passed += 1
            print(f"ok      {what}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED  {what}: got {got!r}, expected {expected!r}"[:2000], flush=True)


class Simulator:
    """A discord-sim process that obeys commands."""

    def __init__(self, process, addresses):
        self.process = process
        self.addresses = addresses

    @classmethod
    async def start(cls, path):
        process = await asyncio.create_subprocess_exec(
            path,
            "--commands",
            "--messages=400",
            "--channels=8",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=64 * 1024 * 1024,
        )
        return cls(process, json.loads(await process.stdout.readline()))

    async def do(self, command, **fields):
        line = json.dumps({"do": command, **fields}) + "\n"
        self.process.stdin.write(line.encode())
        await self.process.stdin.drain()
        answer = json.loads(await self.process.stdout.readline())
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(f"{command}: {answer['error']}")
        return answer

    async def stop(self):
        self.process.stdin.close()
        await self.process.wait()


class Judge(discord.Client):
    """Waits for one event at a time."""

    def __init__(self):
        intents = discord.Intents.default()
        intents.message_content = True
        super().__init__(intents=intents)
        self.heard = asyncio.Queue()

    async def on_ready(self):
        await self.heard.put(("ready", None))

    async def on_resumed(self):
        await self.heard.put(("resumed", None))

    async def on_message(self, message):
        await self.heard.put(("message", message))

    async def on_raw_message_edit(self, payload):
        await self.heard.put(("edit", payload))

    async def on_raw_message_delete(self, payload):
        await self.heard.put(("delete", payload))

    async def on_thread_create(self, thread):
        await self.heard.put(("thread", thread))

    async def on_thread_update(self, before, after):
        await self.heard.put(("thread_update", after))

    async def on_guild_channel_create(self, channel):
        await self.heard.put(("channel", channel))

    async def next(self, *wanted):
        while True:
            event, value = await asyncio.wait_for(self.heard.get(), PATIENCE)
            if event in wanted:
                return value


async def judge_login(report, simulator, client):
    places = await simulator.do("places")
    guild = client.get_guild(int(simulator.addresses["guild"]))
    report.equal("READY and GUILD_CREATE bring the server", guild is not None, True)
    report.equal("the bot is a member of it", guild.me is not None and guild.me.bot, True)
    report.equal(
        "all channels are there",
        {channel.id for channel in guild.channels},
        {int(place["id"]) for place in places if place["kind"] not in THREADS},
    )
    report.equal(
        "active threads are there",
        {thread.id for thread in guild.threads},
        {int(p["id"]) for p in places if p["kind"] in THREADS and not p["archived"]},
    )
    readable = {int(place["id"]) for place in places if place["readable"]}
    computed = {
        channel.id
        for channel in guild.channels
        if channel.permissions_for(guild.me).read_message_history
        and channel.permissions_for(guild.me).view_channel
    }
    channels = {channel.id for channel in guild.channels}
    report.equal("permissions come out the same", computed, readable & channels)
    report.equal("the application is the bot's", client.application_id, client.user.id)
    return guild


async def judge_live(report, simulator, client):
    made = await simulator.do("create_channel", name="live")
    channel = await client.next("channel")
    report.equal("CHANNEL_CREATE", str(channel.id), made["channel"])

    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        clip.write_bytes(CLIP)
        posted = await simulator.do("post", channel=made["channel"], content="hello", file=str(clip))
        message = await client.next("message")
        report.equal("MESSAGE_CREATE", (str(message.id), message.content), (posted["message"], "hello"))
        report.equal("its author is a member", isinstance(message.author, discord.Member), True)
        report.equal("its file has a type", message.attachments[0].content_type, "video/mp4")
        report.equal("its file arrives whole", await message.attachments[0].read(), CLIP)

    await simulator.do("edit", channel=made["channel"], message=posted["message"], content="hi")
    edited = await client.next("edit")
    report.equal("MESSAGE_UPDATE", edited.data["content"], "hi")
    report.equal("it is marked as edited", edited.data["edited_timestamp"] is not None, True)
    await simulator.do("delete", channel=made["channel"], message=posted["message"])
    deleted = await client.next("delete")
    report.equal("MESSAGE_DELETE", str(deleted.message_id), posted["message"])
    try:
        await message.attachments[0].read()
        gone = None
    except discord.NotFound as error:
        gone = error.status
    report.equal("a deleted message's file is gone", gone, 404)

    started = await simulator.do("create_thread", channel=made["channel"], name="aside")
    thread = await client.next("thread")
    report.equal("THREAD_CREATE", str(thread.id), started["channel"])
    await simulator.do("archive_thread", channel=started["channel"])
    updated = await client.next("thread_update")
    report.equal("THREAD_UPDATE", updated.archived, True)
    return made["channel"]


async def judge_sessions(report, simulator, client, channel):
    for provocation in ("cut", "reconnect"):
        before = (await simulator.do("stats"))["resumes"]
        await simulator.do(provocation)
        posted = await simulator.do("post", channel=channel, content=provocation)
        message = await client.next("message")
        report.equal(f"after {provocation} nothing is missed", str(message.id), posted["message"])
        for _ in range(PATIENCE * 10):
            stats = await simulator.do("stats")
            if stats["resumes"] > before:
                break
            await asyncio.sleep(0.1)
        report.equal(
            f"after {provocation} the session is resumed",
            (stats["resumes"], stats["identifies"]),
            (before + 1, 1),
        )


async def judge_history(report, simulator, client, guild):
    places = await simulator.do("places")
    for place in places:
        if not place["readable"] or place["kind"] in FORUMS or place["kind"] == 4:
            continue
        channel = await client.fetch_channel(int(place["id"]))
        truth = await simulator.do("messages", channel=place["id"])
        expected = [int(message["id"]) for message in truth]
        forwards = [m async for m in channel.history(limit=None, oldest_first=True)]
        backwards = [m.id async for m in channel.history(limit=None, oldest_first=False)]
        name = f"history of {place['name']}"
        report.equal(f"{name}, oldest first", [m.id for m in forwards], expected)
        report.equal(f"{name}, newest first", backwards, expected[::-1])
        files = {
            int(file["id"]): file["sha256"] for message in truth for file in message["files"]
        }
        listed = [file for message in forwards for file in message.attachments]
        report.equal(f"{name}: files", {file.id for file in listed}, set(files))
        for file in listed[:3]:
            digest = hashlib.sha256(await file.read()).hexdigest()
            report.equal(f"{name}: bytes of {file.filename}", digest, files[file.id])
    first = [m async for m in guild.text_channels[0].history(limit=3)]
    around = [m.id async for m in guild.text_channels[0].history(limit=3, around=first[1])]
    report.equal("history around a message", sorted(around), sorted(m.id for m in first))
    fetched = await guild.text_channels[0].fetch_message(first[0].id)
    report.equal("a single message", fetched.content, first[0].content)
    avatar = await first[0].author.display_avatar.read()
    report.equal("an avatar is a picture", avatar[:4], b"\x89PNG")


async def judge_threads(report, simulator, guild):
    places = await simulator.do("places")
    threads = [place for place in places if place["kind"] in THREADS]
    active = {thread.id for thread in await guild.active_threads()}
    expected = {int(t["id"]) for t in threads if not t["archived"] and t["readable"]}
    report.equal("active threads", active, expected)
    for channel in [*guild.text_channels, *guild.forums]:
        if not channel.permissions_for(guild.me).read_message_history:
            continue
        mine = [t for t in threads if t["parent"] == str(channel.id) and t["archived"]]
        listed = {t.id async for t in channel.archived_threads(limit=None)}
        expected = {int(t["id"]) for t in mine if t["kind"] != 12}
        report.equal(f"archived threads of {channel.name}", listed, expected)
        if isinstance(channel, discord.TextChannel):
            joined = channel.archived_threads(limit=None, private=True, joined=True)
            listed = {t.id async for t in joined}
            expected = {int(t["id"]) for t in mine if t["kind"] == 12 and t["readable"]}
            report.equal(f"joined private threads of {channel.name}", listed, expected)
    for forum in guild.forums:
        posts = [t for t in threads if t["parent"] == str(forum.id)]
        for post in posts:
            truth = await simulator.do("messages", channel=post["id"])
            opening = any(message["id"] == post["id"] for message in truth)
            thread = await guild.fetch_channel(int(post["id"]))
            try:
                found = (await thread.fetch_message(thread.id)).id == thread.id
            except discord.NotFound:
                found = False
            report.equal(f"opening of {post['name']}", found, opening)


async def judge(report, simulator):
    addresses = simulator.addresses
    discord.http.Route.BASE = f"{addresses['api']}/api/v10"
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(addresses["gateway"])
    discord.Asset.BASE = addresses["cdn"]
    async with Judge() as client:
        running = asyncio.create_task(client.start(addresses["token"]))
        await client.next("ready")
        guild = await judge_login(report, simulator, client)
        channel = await judge_live(report, simulator, client)
        await judge_sessions(report, simulator, client, channel)
        await judge_threads(report, simulator, guild)
        await judge_history(report, simulator, client, guild)
        await client.close()
        await running
    report.equal("nothing Discord does not know", await simulator.do("violations"), [])
    report.equal("no 429 that manners avoid", (await simulator.do("stats"))["avoidable"], 0)


async def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    report = Report()
    simulator = await Simulator.start(sys.argv[1])
    try:
        await judge(report, simulator)
    finally:
        await simulator.stop()
        print(f"{report.passed} passed, {report.failed} failed", flush=True)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
