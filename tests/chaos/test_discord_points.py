"""Fault 2 with Discord: the bot dies at each of its points, while people use commands, threads and cards."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from faults import EXIT_CODE
from tests.chaos.discord_world import DEADLINE_S, PROMPT, DiscordWorld, button, discord_world
from tests.chaos.test_kills import DISCORD_POINTS, REACH_S, SEED
from tests.fakes.discord_server import Message
from tests.fakes.discord_server.interactions import Ack
from tests.fakes.discord_server.outcome import Attempt

HASTE = 1200.0
ASK = "{name} demo:bash touch seen-{name} demo:digest"
HELD = "{name} demo:gate {name} demo:digest"
_BY_COMMAND = frozenset(
    {"asked-stored", "interaction-acknowledged", "interaction-stored", "place-stored", "thread-made"}
)
_MOST_OWED = 12
"""With more answers outstanding only what a point needs is asked for: lives are short."""
_BY_ASK = frozenset({"ask-answered", "ping-sent"})
# What a start does with what an earlier death cut.
AFTER = {"leftover-done": "thread-made"}


class Users:
    """People who use everything that the bot has, again in each of its lives, and answer what Claude asks."""

    def __init__(self, town: DiscordWorld) -> None:
        self._town = town
        self._attempts: list[Attempt] = []
        self._clicked: set[tuple[int, int]] = set()
        self._held: list[str] = []
        self._round = 0

    @asynccontextmanager
    async def looking_on(self) -> AsyncIterator[None]:
        """While the block runs, answer every ask that is shown, once in each life of the bot."""
        looking = asyncio.create_task(self._look_on(), name="looking on")
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    def use(self, point: str, *, sparing: bool) -> None:
        """Begin a session, write, have Claude ask; if `sparing` only what passes `point`."""
        town, self._round = self._town, self._round + 1
        name = f"r{self._round}"
        first, second = town.threads[self._round % 2], town.threads[(self._round + 1) % 2]
        if sum(town.lacking().values()) > _MOST_OWED:
            sparing = True
        if not sparing or point in _BY_COMMAND:
            prompt = PROMPT.format(name=f"{name}-new")
            self._attempts.append(town.ann.slash(town.fake.general, "claude", prompt=prompt))
        if not sparing or point in _BY_ASK:
            town.write(second, f"{name}-ask", ASK)
        if point == "post-removed":
            # The next one has to queue: this one ends once the post that says so is there.
            town.write(first, f"{name}-a", HELD)
            self._held.append(name)
        town.write(first, f"{name}-b")

    async def settle(self) -> None:
        """Wait for what became of every command: a session to be judged, or a sentence that it was cut."""
        for attempt in self._attempts:
            outcome = attempt.outcome
            if outcome.ack is not Ack.DEFERRED:
                continue  # Discord showed that it failed, and nothing was begun
            await attempt.settled(DEADLINE_S)
            assert outcome.reply is not None
            if "asks Claude" in outcome.text:
                thread = self._town.fake.place(outcome.reply.id)
                self._town.threads.append(thread)
                self._town.sent[thread.id] = 1
            else:
                assert "do it again" in outcome.text

    async def _look_on(self) -> None:
        town = self._town
        while True:
            posts = [each for thread in town.fake.threads() for each in thread.from_bot]
            for name in [each for each in self._held if any(_waits(post, f"{each}-b") for post in posts)]:
                self._held.remove(name)
                (town.made.gates / f"{name}-a").touch()
            for card in posts:
                use = (town.made.starts, card.id)
                if button(card, "Allow once") and use not in self._clicked and town.fake.gateway.connected:
                    self._clicked.add(use)
                    town.ann.click(card, "Allow once")
            await asyncio.sleep(0.05)


def _waits(post: Message, name: str) -> bool:
    """Whether the post says that the prompt of this name is queued."""
    return "Queued" in post.text and name in post.text


async def die(town: DiscordWorld, users: Users, point: str, *, sparing: bool) -> None:
    """One life that ends at `point`."""
    if await town.start(crash_at=point):
        users.use(point, sparing=sparing)
    try:
        async with asyncio.timeout(REACH_S):
            assert await town.made.death() == EXIT_CODE, f"{point}\n{town.made.sentences()}"
    except TimeoutError:
        raise AssertionError(f"{point} was not passed\n{town.made.sentences()}") from None
    await town.fake.until_gone(DEADLINE_S)


async def die_at_each_point(root: Path, *, times: int, sparing: bool) -> None:
    rng = random.Random(SEED)
    points = [name for name in sorted(DISCORD_POINTS) for _ in range(times)]
    rng.shuffle(points)
    async with discord_world(root, haste=HASTE) as town:
        users = Users(town)
        await town.start()
        for number in range(2):
            await town.begin(f"t{number}")
        await town.kill()
        async with users.looking_on():
            for point in points:
                for each in (AFTER.get(point), point):
                    if each is not None:
                        await die(town, users, each, sparing=sparing)
            await town.start()
            await users.settle()
            await town.finish(within_s=DEADLINE_S + len(points))


@pytest.mark.timeout(400)
async def test_dying_once_at_each_point_of_the_bot_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    await die_at_each_point(tmp_path / "w", times=1, sparing=True)


@pytest.mark.soak
async def test_dying_twenty_times_at_each_point_of_the_bot_loses_nothing(tmp_path: Path) -> None:
    await die_at_each_point(tmp_path / "w", times=int(os.environ.get("CHAOS_TIMES", "20")), sparing=False)
