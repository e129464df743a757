"""A world whose bot is in a fake Discord, and the person who writes to it there whatever happens to it.

Answers for prompts that go in over Discord, for what must come of each, and for leaving all that the checker
judges: what the threads show (`discord.ndjson`), what was asked (`people.ndjson`), and the traffic
(`traffic.json`, in the bot's own time).
"""

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

from api import Park
from sessions.model import SessionId
from tests.chaos.world import BOSS, World, world
from tests.fakes.discord_redirect import URL_VARIABLE
from tests.fakes.discord_server import FakeDiscord, Message, Place, Settings
from tests.fakes.discord_server.model import walk
from tests.fakes.discord_server.outcome import Attempt

DEADLINE_S = 90.0
RIGHT_WITHIN_S = 60.0
PROMPT = "{name} demo:slow 4 demo:long 12 demo:digest"
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


class DiscordWorld:
    """The fake, the world, and what Ann asked: in each thread so many prompts, each answered with a digest."""

    def __init__(self, fake: FakeDiscord, made: World, haste: float) -> None:
        self.fake = fake
        self.made = made
        self.ann = fake.member("ann")
        self.threads: list[Place] = []
        self.sent: dict[int, int] = {}
        self.attempts: list[Attempt] = []
        self._haste = haste
        made.settings |= {
            URL_VARIABLE: fake.url,
            "DISCORD_TOKEN": fake.token,
            "ALLOWED_GUILD_IDS": str(fake.home.id),
            "ALLOWED_USER_IDS": str(self.ann.id),
            "CHAOS_HASTE": str(haste),
            "CHAOS_QUIET_S": str(4 * fake.settings.heartbeat_interval_ms / 1000),
        }

    async def start(self, *, crash_at: str = "") -> bool:
        """Start a bot and wait until Discord hears it; False if it has died before that."""
        if not await self.made.start_bot(crash_at=crash_at):
            return False
        end = self.made.end()
        commands = self.fake.site.commands
        async with asyncio.timeout(DEADLINE_S):
            while not (self.fake.gateway.connected and commands.find(self.fake.home.id, "claude", 1)):
                if end.done():
                    return False
                await asyncio.sleep(0.01)  # a dead process tells the fake nothing
        return True

    async def kill(self) -> None:
        """SIGKILL, and wait until Discord has noticed."""
        await self.made.kill_bot()
        await self.fake.until_gone(DEADLINE_S)

    # --- asking -----------------------------------------------------------------------------------------

    async def begin(self, name: str) -> Place:
        """A thread with a session in it."""
        known = {thread.id for thread in self.fake.general.threads}
        attempt = self.ann.slash(self.fake.general, "claude", prompt=PROMPT.format(name=name))
        await attempt.settled(DEADLINE_S)
        thread = await self.fake.general.wait_for_thread(lambda each: each.id not in known, DEADLINE_S)
        self.threads.append(thread)
        self.sent[thread.id] = 1
        return thread

    def write(self, thread: Place, name: str, prompt: str = PROMPT) -> None:
        """Ask something in a thread; `prompt` ends in a digest."""
        self.ann.send(thread, prompt.format(name=name))
        self.sent[thread.id] += 1

    # --- what comes of it -------------------------------------------------------------------------------

    def lacking(self) -> dict[str, int]:
        """How many answers each thread still owes."""
        owed = {one.name: self.sent[one.id] - len(digests(one)) for one in self.threads}
        return {name: count for name, count in owed.items() if count > 0}

    async def right(self, within_s: float = DEADLINE_S, *, at_rest: bool = True) -> float:
        """Wait until every thread shows every answer, and, `at_rest`, nothing goes on; the seconds it took."""
        began = time.monotonic()
        try:
            await self.fake.until(lambda: not self.lacking() and (not at_rest or self._at_rest()), within_s)
        except TimeoutError:
            shown = "\n".join(each.snapshot() for each in self.threads)
            raise AssertionError(
                f"not right after {within_s} s: {self.lacking()}\n{shown}{self.made.sentences()}"
            ) from None
        return time.monotonic() - began

    def _at_rest(self) -> bool:
        """Whether no post promises anything more: no Stop, and nothing queued."""
        posts = [message for thread in self.threads for message in thread.from_bot]
        return not any(button(each, "Stop") or "Queued" in each.text for each in posts)

    async def finish(self, *, within_s: float = DEADLINE_S) -> None:
        """Have all answered, park everybody, stop the bot, and have everything judged."""
        await self.right(within_s)
        async with self.made.core() as client:
            for session_id in self._session_ids():
                await client.perform(BOSS, Park(session_id=session_id))
        await self.made.cleared_away()
        await self.made.stop_bot()
        self.write_down()
        found = await self.made.violations()
        assert found == [], "\n".join(map(str, found)) + self.made.sentences()
        assert {each.id: len(digests(each)) for each in self.threads} == self.sent

    # --- for the checker --------------------------------------------------------------------------------

    def write_down(self) -> None:
        """Leave what Discord has seen where the checker looks for it."""
        with (self.made.root / "discord.ndjson").open("w") as file:
            for thread in self.threads:
                own = {message.id for message in thread.from_bot}
                for each in thread.messages:
                    facts = {"thread": str(thread.id), "by_bot": each.id in own, "text": each.text}
                    file.write(json.dumps(facts) + "\n")
        with (self.made.root / "people.ndjson").open("a") as file:
            for session_id, origin in self._asked():
                facts = {"session": session_id, "origin": origin, "turn": self._turn_of(origin)}
                file.write(json.dumps({"what": "accepted", **facts}) + "\n")
        limits = self.fake.site.rate_limits
        traffic = {
            "requests": len(self.fake.requests),
            "invalid": limits.invalid_requests,
            "starts_s": [at * self._haste for at in self.fake.gateway.identifies],
        }
        (self.made.root / "traffic.json").write_text(json.dumps(traffic))

    def _asked(self) -> list[tuple[str, str]]:
        """Session and origin of everything that the bot has to have asked Claude."""
        by_channel = {row[0]: row[1] for row in self._rows("SELECT channel_id, id FROM sessions")}
        asked = []
        for thread in self.threads:
            session_id = by_channel.get(f"discord:{thread.id}", "")
            by_ann = [each for each in thread.messages if each.author.id == self.ann.id]
            asked += [(session_id, f"discord:message:{each.id}") for each in by_ann]
        return asked

    def _turn_of(self, origin: str) -> str:
        found = self._rows("SELECT id FROM turns WHERE origin = ?", origin)
        return str(found[0][0]) if found else ""

    def _session_ids(self) -> list[SessionId]:
        return [SessionId(each[0]) for each in self._rows("SELECT id FROM sessions")]

    def _rows(self, sql: str, *params: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(f"file:{self.made.data / 'sessions.db'}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, params).fetchall()


def digests(thread: Place) -> list[str]:
    """The digests that a thread shows."""
    return [found for message in thread.from_bot for found in _DIGEST.findall(message.text)]


def button(message: Message, label: str) -> bool:
    """Whether the message has this button."""
    return any(part.get("label") == label for part in walk(message.components))


def has_button(label: str) -> Callable[[Message], bool]:
    return lambda message: button(message, label)


@asynccontextmanager
async def discord_world(
    root: Path, *, haste: float = 1.0, settings: Settings | None = None, seed: int = 0
) -> AsyncIterator[DiscordWorld]:
    """A Discord and a world below `root`; the bot's waits before connections pass `haste` times as fast."""
    async with FakeDiscord(settings, seed=seed) as fake, world(root) as made:
        yield DiscordWorld(fake, made, haste)
