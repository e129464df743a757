"""Prompts that somebody sends in a row while Claude works: one post, each can go, all can become one."""

from bot.session_units import sent_in_a_row
from sessions.model import TurnKind
from sessions.stored import StoredTurn
from tests.bot.test_turn_flow import stored
from tests.bot.test_words_for_asks import labels, seen
from tests.bot.ways import Town, core, fake, town
from tests.fakes.discord_server import FakeDiscord, Message, Place
from tests.sessions.running_core import RunningCore, idle

__all__ = ["core", "fake", "town"]


async def waiting(thread: Place, *lines: str) -> Message:
    """The queue post, once it says just this below its first line."""

    def is_so(message: Message) -> bool:
        first, *said = message.content.split("\n")
        return first.startswith("-# Queued") and said == list(lines)

    return await thread.wait_for_message(is_so)


async def test_lines_in_a_row_are_one_post_with_one_place_and_can_go_or_become_one(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with seen(fake, core, town) as ways:
        await town.ann.slash(fake.general, "claude", prompt="demo:gate here").settled()
        thread = await fake.general.wait_for_thread()
        session = await ways.session_in(thread)
        await thread.wait_for_message("Claude is working")
        for line in ("demo:text one", "demo:text two", "demo:text three"):
            town.ann.send(thread, line)
        post = await waiting(
            thread, "> **1** demo:text one", "> **2** demo:text two", "> **3** demo:text three"
        )
        assert post.content.startswith("-# Queued: 1 prompt comes first.")
        assert labels(post) == ["Cancel 1", "Cancel 2", "Cancel 3", "Send as one", "Send now"]
        assert len([one for one in thread.from_bot if "Queued" in one.text]) == 1
        await town.ann.click(post, "Cancel 2").acknowledged()
        post = await waiting(thread, "> **1** demo:text one", "> **2** demo:text three")
        await town.ann.click(post, "Send as one").acknowledged()
        post = await waiting(thread, "> demo:text one demo:text three")
        assert labels(post) == ["Cancel", "Send now"]
        gates = core.claude / "gates"
        gates.mkdir(parents=True, exist_ok=True)
        (gates / "here").touch()
        await idle(session)
        done = [view.turn.prompt for view in await ways.turns(session) if view.turn.status == "done"]
        assert done == ["demo:gate here", "demo:text one\n\ndemo:text three"]
        await thread.wait_for(lambda place: not any("Queued" in one.text for one in place.from_bot))


def test_only_plain_prompts_of_one_person_in_a_row_stand_in_one_post() -> None:
    def of(number: int, author: str, kind: TurnKind = TurnKind.PROMPT, again: str | None = None) -> StoredTurn:
        return stored(id=str(number), author_id=author, kind=kind, alternative_of=again)

    queue = [
        of(1, "ann"),
        of(2, "ann"),
        of(3, "bob"),
        of(4, "ann"),
        of(5, "ann", TurnKind.COMMAND),
        of(6, "ann"),
        of(7, "ann", again="1"),
    ]
    rows = {turn.id: [each.id for each in sent_in_a_row(queue, turn.id)] for turn in queue}
    assert rows == {
        "1": ["1", "2"],
        "2": ["1", "2"],
        "3": ["3"],
        "4": ["4"],
        "5": ["5"],
        "6": ["6"],
        "7": ["7"],
    }
