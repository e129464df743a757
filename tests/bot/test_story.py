"""Ten minutes with three people: the same story in Discord, in Claude's transcript and in the rows.

Real discord.py on the fake Discord, the whole bot with its view, a real core on the scripted CLI. Between the
scenes, Discord's clock and the bot's are moved on, and the bot is away for one of them.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from api import Share
from bot.client import BridgeClient
from bot.view import View
from sessions.clock import SystemClock
from sessions.model import ShareLevel, Text, TurnStatus
from sessions.session import Session
from tests.bot.room import FAST
from tests.bot.test_pictures import png
from tests.bot.test_questions import question
from tests.bot.ways import ADMIN, Town, Ways, core_id, fake, town, ways_in
from tests.fakes.discord_server import FakeDiscord, Message, Place
from tests.sessions.running_core import DEADLINE_S, CoreParts, RunningCore, idle, reached, running_core

__all__ = ["fake", "town"]

SCENE_S = 60
DONE = TurnStatus.DONE
_NOTE = re.compile(r"<bridge-note>.*?</bridge-note>\s*", re.DOTALL)
_SAID = re.compile(r"demo:(?:text|ask-question|write|gate) ?([^\n]*)")


class Later(SystemClock):
    """The system's clocks, moved on by a test."""

    later_s = 0.0

    def now_ms(self) -> int:
        return super().now_ms() + int(self.later_s * 1000)

    def monotonic(self) -> float:
        return super().monotonic() + self.later_s


@asynccontextmanager
async def bot(fake: FakeDiscord, core: RunningCore, town: Town) -> AsyncIterator[Ways]:
    """One life of the bot, its view included."""
    views: list[View] = []

    def make_view(client: BridgeClient) -> View:
        views.append(View(client, core.service, core.db, options=FAST))
        return views[0]

    async with ways_in(fake, core, town, make_view=make_view) as ways, views[0]:
        yield ways
    await fake.until_gone()


class Story:
    """The session's thread, and the messages in it that should become prompts."""

    def __init__(self, fake: FakeDiscord, town: Town, core: RunningCore, clock: Later) -> None:
        self.fake, self.town, self.core, self.clock = fake, town, core, clock
        self.prompts: list[Message] = []
        self.thread: Place = fake.general
        self.session: Session

    def scene(self) -> None:
        """A minute passes."""
        self.fake.advance(SCENE_S)
        self.clock.later_s += SCENE_S

    async def turns(self, count: int) -> None:
        """Wait until Claude has done so many turns."""
        done = "SELECT count(*) FROM turns WHERE status = 'done'"
        async with asyncio.timeout(DEADLINE_S):
            while (await self.core.db.read(done))[0] != (count,):  # noqa: ASYNC110 (withdrawn ones have no event)
                await asyncio.sleep(0.02)
        await idle(self.session)

    async def begin(self, ways: Ways) -> None:
        """Ann asks with a file; the thread opens; Bob may prompt, Vic only reads."""
        ann = self.town.ann
        asked = ann.send(
            self.fake.general, f"{self.fake.bot.mention} demo:text first", files={"log.txt": b"red"}
        )
        self.prompts.append(asked)
        self.thread = await self.fake.general.wait_for_thread()
        self.session = await ways.session_in(self.thread)
        await self.turns(1)
        for grantee, level in ((self.town.bob, ShareLevel.PROMPT), (self.town.vic, ShareLevel.VIEW)):
            share = Share(session_id=self.session.id, grantee=core_id(grantee.id), level=level)
            await self.core.do(share, ADMIN)

    async def talk_aside(self, ways: Ways) -> None:
        """Bob asks Ann, Vic writes without the right to: Claude hears only the first, with the next prompt."""
        self.town.bob.send(self.thread, f"{self.town.ann.mention} is it the cache?")
        self.town.vic.send(self.thread, "demo:text from somebody who may not")
        await ways.dealt_with()
        await self.thread.wait_for_message("may not")
        self.prompts.append(self.town.ann.send(self.thread, "demo:text second"))
        await self.turns(2)

    async def change_the_queue(self, ways: Ways) -> None:
        """While Claude works, prompts wait; one is edited, one deleted."""
        self.prompts.append(self.town.ann.send(self.thread, "demo:gate busy\ndemo:text third"))
        gates = self.core.claude / "gates"
        await self.fake.until((gates / "busy.reached").exists)
        waiting = self.town.bob.send(self.thread, "demo:text wrong")
        gone = self.town.ann.send(self.thread, "demo:text never")
        await self.thread.wait_for_message("never")
        self.town.bob.edit(waiting, "demo:text fourth")
        self.town.ann.delete(gone)
        await self.thread.wait_for_message("demo:text fourth")
        await reached(self.session, lambda each: len(each.queue) == 1)
        self.prompts.append(waiting)
        (gates / "busy").touch()
        await self.turns(4)

    async def answer_in_words(self, ways: Ways) -> None:
        """Claude asks. Bob may not answer, so his words wait as a prompt; Ann's words are the answer."""
        ask = f"demo:ask-question {json.dumps([question('Which?', 'Left', 'Right')])}\ndemo:text fifth"
        self.prompts.append(self.town.ann.send(self.thread, ask))
        await self.thread.wait_for_message("**Claude wants to know**")
        self.prompts.append(self.town.bob.send(self.thread, "demo:text sixth"))
        await self.thread.wait_for_message("Claude waits for an answer to")
        self.town.ann.send(self.thread, "straight on")
        await self.thread.wait_for_message("→ straight on")
        await self.turns(6)

    async def see_a_picture(self, ways: Ways) -> None:
        """Claude links a picture of the project."""
        (Path(self.session.snapshot.work_directory) / "chart.png").write_bytes(png(7))
        self.prompts.append(self.town.ann.send(self.thread, "demo:text seventh ![chart](chart.png)"))
        await self.turns(7)
        await self.thread.wait_for(lambda place: [m for m in place.from_bot if m.attachments] or None)

    def write_while_the_bot_is_away(self) -> None:
        self.town.bob.send(self.thread, f"{self.town.ann.mention} look at the chart")
        self.prompts.append(self.town.ann.send(self.thread, "demo:text eighth", files={"new.csv": b"1,2"}))

    # --- the story as each of the three tells it -----------------------------------------------------------

    async def of_the_rows(self, ways: Ways) -> list[tuple[str, list[str]]]:
        """The prompts and answers of the rows."""
        told = []
        for view in await ways.turns(self.session):
            if view.turn.status is not DONE:
                continue
            answers = [block.text for block in view.contents if isinstance(block, Text)]
            told.append((view.turn.prompt, [line for text in answers for line in text.split("\n")]))
        return told

    def of_the_transcript(self) -> list[tuple[str, list[str]]]:
        """The prompts and answers in Claude's own file."""
        (path,) = (self.core.claude / "projects").rglob(f"{self.session.snapshot.conversation_id}.jsonl")
        told: list[tuple[str, list[str]]] = []
        for raw in path.read_text().splitlines():
            row: dict[str, Any] = json.loads(raw)
            content = row.get("message", {}).get("content", ())
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            # Notes of the bridge to Claude are no part of what people wrote.
            bare = [_NOTE.sub("", str(part["text"])) for part in parts if part.get("type") == "text"]
            texts = [text for text in bare if text]
            if row["type"] == "user" and texts:
                told.append(("\n".join(texts), []))
            elif row["type"] == "assistant":
                told[-1][1].extend(line for text in texts for line in text.split("\n"))
        return told

    def of_discord(self) -> list[str]:
        """Claude's words in the thread, in order."""
        texts = [line for message in self.thread.from_bot for line in message.text.split("\n")]
        return [line for line in texts if line.startswith("DEMO: ") or line == "fifth"]


async def test_ten_minutes_with_three_people_are_one_story(
    fake: FakeDiscord, town: Town, tmp_path: Path
) -> None:
    clock = Later()
    async with running_core(tmp_path / "core", CoreParts(clock=clock)) as core:
        story = Story(fake, town, core, clock)
        scenes = (
            (story.begin, story.talk_aside, story.change_the_queue),
            (story.answer_in_words, story.see_a_picture),
        )
        for life in scenes:
            async with bot(fake, core, town) as ways:
                for play in life:
                    await play(ways)
                    story.scene()
                    story.scene()
        story.write_while_the_bot_is_away()
        async with bot(fake, core, town) as ways:
            await story.turns(8)
            await story.thread.wait_for_message("DEMO: eighth")
            rows = await story.of_the_rows(ways)
            origins = [view.turn.origin for view in await ways.turns(story.session) if view.turn.status is DONE]
        assert clock.later_s >= 600

    said = [_SAID.findall(prompt)[-1] for prompt, _ in rows]
    assert [words.split(" ")[0] for words in said] == (
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
    )
    assert story.of_the_transcript() == rows
    shown = [
        line.replace("![chart](chart.png)", "chart (chart.png)") for _, lines in rows for line in lines if line
    ]
    assert story.of_discord() == shown

    # Each message became the prompt that it should, and nothing else did.
    assert origins == [f"discord:message:{message.id}" for message in story.prompts]
    asides = [prompt for prompt, _ in rows if "Said meanwhile" in prompt]
    assert [("cache" in prompt, "look at the chart" in prompt) for prompt in asides] == [
        (True, False),
        (False, True),
    ]
    assert not any("may not" in prompt or "straight on" in prompt for prompt, _ in rows)
    assert ["log.txt" in rows[0][0], "new.csv" in rows[-1][0]] == [True, True]
    assert sum(len(message.attachments) for message in story.thread.from_bot) == 1
    fake.assert_clean()
