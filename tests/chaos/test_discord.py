"""Faults 1 and 11 with Discord: the bot is killed while it writes and while people write to it."""

import asyncio
import json
import random
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.test_kills import SEED
from tests.chaos.world import World, world
from tests.fakes.discord_server import FakeDiscord, Person, Place
from tests.fakes.discord_server.redirect import URL_VARIABLE

PROMPT = "{name} demo:slow 4 demo:long 12 demo:digest"
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_DEADLINE_S = 60.0


def settings(fake: FakeDiscord, who: Person) -> dict[str, str]:
    """What makes a bot of the bridge, in this Discord."""
    return {
        URL_VARIABLE: fake.url,
        "DISCORD_TOKEN": fake.token,
        "ALLOWED_GUILD_IDS": str(fake.home.id),
        "ALLOWED_USER_IDS": str(who.id),
    }


async def begin(fake: FakeDiscord, ann: Person, name: str) -> Place:
    """A thread with a session in it."""
    known = {thread.id for thread in fake.general.threads}
    await ann.slash(fake.general, "claude", prompt=PROMPT.format(name=name)).settled(_DEADLINE_S)
    return await fake.general.wait_for_thread(lambda each: each.id not in known, _DEADLINE_S)


def digests(thread: Place) -> list[str]:
    return [found for message in thread.from_bot for found in _DIGEST.findall(message.text)]


def shows(thread: Place, at_least: int) -> bool:
    return len(digests(thread)) >= at_least


def write_down(made: World, threads: Sequence[Place]) -> None:
    """Leave what Discord shows where the checker looks for it."""
    with (made.root / "discord.ndjson").open("w") as file:
        for thread in threads:
            for message in thread.messages:
                by_bot = message in thread.from_bot
                facts = {"thread": str(thread.id), "by_bot": by_bot, "text": message.text}
                file.write(json.dumps(facts) + "\n")


async def kills(root: Path, *, threads: int, times: int) -> None:
    """Kill the bot `times` times while `threads` answers are written and more prompts come, bot or no bot."""
    rng = random.Random(SEED)
    async with FakeDiscord() as fake, world(root) as made:
        ann = fake.member("ann")
        made.settings |= settings(fake, ann)
        await made.start_bot()
        await fake.until_connected(_DEADLINE_S)
        await fake.until(lambda: fake.site.commands.find(fake.home.id, "claude", 1), _DEADLINE_S)
        places = [await begin(fake, ann, f"t{n}") for n in range(threads)]
        sent = dict.fromkeys(range(threads), 1)
        for number in range(times):
            await asyncio.sleep(rng.uniform(0.1, 0.8))
            await made.kill_bot()
            await fake.until_gone(_DEADLINE_S)
            one = rng.randrange(threads)
            ann.send(places[one], PROMPT.format(name=f"m{number}"))
            sent[one] += 1
            await made.start_bot()
            await fake.until_connected(_DEADLINE_S)
        for number, place in enumerate(places):
            await place.wait_for(partial(shows, at_least=sent[number]), _DEADLINE_S * 2)
        await made.stop_bot()
        write_down(made, places)
        found = await made.violations(at_rest=False)
        assert found == [], "\n".join(map(str, found)) + made.sentences()
        assert [len(digests(place)) for place in places] == list(sent.values())


@pytest.mark.timeout(240)
async def test_threads_show_every_answer_once_although_the_bot_is_killed(tmp_path: Path) -> None:
    await kills(tmp_path / "w", threads=2, times=3)


@pytest.mark.soak
async def test_threads_show_every_answer_once_although_the_bot_is_killed_often(tmp_path: Path) -> None:
    await kills(tmp_path / "w", threads=8, times=200)
