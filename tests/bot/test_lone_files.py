"""Files without words: a long paste is the prompt, other files wait for the words of their author."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from bot.attachments import IncomingFile
from bot.inbox_rows import InboxRow, take_in
from bot.lone_files import IN_FILE, MOST_INLINE_BYTES, LoneFiles, decoded
from bot.messages import MessageBody
from sessions.session import Session
from tests.bot.test_inbox import busy_session, open_gate
from tests.bot.ways import Town, Ways, core, fake, options, town, ways, ways_in
from tests.fakes.discord_server import FakeDiscord, Place
from tests.sessions.running_core import RunningCore, idle, reached

__all__ = ["core", "fake", "town", "ways"]

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("日本語\n".encode(), "日本語"),
        (b"\xef\xbb\xbfhi", "hi"),
        ("hi".encode("utf-16"), "hi"),
        (b"\xff\xfe\x00\xd8", ""),
        (b"a\x00b", ""),
        (b"\x80\x81", ""),
        (b"", ""),
    ],
)
def test_only_text_is_taken_for_text(data: bytes, text: str) -> None:
    assert decoded(data) == text


async def last_turn(ways: Ways, session: Session, count: int) -> tuple[str, list[str]]:
    """Prompt and files of the last turn, once there are `count`."""
    await reached(session, lambda each: each.message_count == count)
    await idle(session)
    turn = (await ways.turns(session))[-1].turn
    return turn.prompt, [each.name for each in turn.attachments]


async def test_a_long_paste_is_the_prompt_at_once(fake: FakeDiscord, core: RunningCore, town: Town) -> None:
    async with ways_in(fake, core, town, replace(options(fake), words_patience_s=3600)) as ways:
        thread, session = await ways.started(town.ann, "demo:text first")
        paste = "demo:text long\n" + "日" * 3000
        town.ann.send(thread, files={"message.txt": paste.encode()})
        assert await last_turn(ways, session, 2) == (paste, [])
        asked = town.ann.send(fake.general, fake.bot.mention, files={"message.txt": paste.encode()})
        opened = await fake.general.wait_for_thread(lambda each: each.id == asked.id)
        assert opened.name.startswith("demo:text long")
        assert await last_turn(ways, await ways.session_in(opened), 1) == (paste, [])


async def test_a_text_file_alone_is_the_prompt_after_a_while(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    ways.town.ann.send(thread, files={"todo.md": b"demo:text do it"})
    assert await last_turn(ways, session, 2) == ("demo:text do it", [])


async def test_a_text_that_is_too_long_goes_as_a_file(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    ways.town.ann.send(thread, files={"message.txt": b"x" * (MOST_INLINE_BYTES + 1)})
    prompt, files = await last_turn(ways, session, 2)
    assert prompt.startswith(f"{IN_FILE}\n\nAttached files:")
    assert files == ["message.txt"]


async def test_what_is_no_text_stays_a_file_whatever_it_is_called(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    ways.town.ann.send(thread, files={"message.txt": b"\x80\x81\x00"})
    assert (await last_turn(ways, session, 2))[1] == ["message.txt"]


async def test_files_and_the_words_just_after_them_are_one_prompt(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town, replace(options(fake), words_patience_s=3600)) as ways:
        thread, session = await ways.started(town.ann, "demo:text first")
        alert = town.robot.send(fake.general, embeds=[{"description": "main is red"}])
        town.ann.send(thread, files={"a.png": PICTURE})
        town.ann.send(thread, files={"a.png": PICTURE, "log.txt": b"boom"})
        town.ann.forward(alert, thread)
        town.ann.send(thread, "why?")
        prompt, files = await last_turn(ways, session, 2)
        assert prompt.startswith("A forwarded message:\n> main is red\n\nwhy?\n\nAttached files:")
        assert files == ["a.png", "a-2.png", "log.txt"]


async def test_words_of_others_asides_and_late_words_are_prompts_of_their_own(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    ways.town.ann.send(thread, files={"a.png": PICTURE})
    ways.town.boss.send(thread, "demo:text mine")
    await reached(session, lambda each: each.message_count == 3)
    await ways.dealt_with()
    ways.town.ann.send(thread, "demo:text late")
    await last_turn(ways, session, 4)
    assert [len(each.turn.attachments) for each in await ways.turns(session)] == [0, 1, 0, 0]
    prompts = await ways.prompts(session)
    assert prompts[1].startswith("Attached files:")
    assert prompts[2:] == ["boss writes:\ndemo:text mine", "demo:text late"]


async def test_a_mention_with_a_picture_waits_for_words_in_a_channel_too(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town, replace(options(fake), words_patience_s=5)) as ways:
        town.ann.send(fake.general, fake.bot.mention, files={"a.png": PICTURE})
        said = town.ann.send(fake.general, "what is this?")
        opened = await fake.general.wait_for_thread(lambda each: each.id == said.id)
        prompt, files = await last_turn(ways, await ways.session_in(opened), 1)
        assert prompt.startswith("what is this?")
        assert files == ["a.png"]
        assert len(fake.general.threads) == 1


@pytest.mark.parametrize("words_too", [False, True])
async def test_a_kill_between_files_and_words_loses_nothing(
    fake: FakeDiscord, core: RunningCore, town: Town, words_too: bool
) -> None:
    patient = replace(options(fake), words_patience_s=3600)
    async with ways_in(fake, core, town, patient) as ways:
        thread, session = await ways.started(town.ann, "demo:text first")
        town.ann.send(thread, files={"a.png": PICTURE})
        await ways.waiting(1)
    await fake.until_gone()
    if words_too:
        town.ann.send(thread, "demo:text why?")
    async with ways_in(fake, core, town, options(fake)) as ways:
        prompt, files = await last_turn(ways, session, 2)
        assert files == ["a.png"]
        assert prompt.startswith("demo:text why?" if words_too else "Attached files:")
        await ways.dealt_with()
        assert len(await ways.prompts(session)) == 2


def voice(ways: Ways, thread: Place) -> None:
    ways.town.ann.speak(thread)


def video(ways: Ways, thread: Place) -> None:
    ways.town.ann.send(thread, files={"a.mp4": b"x"})


def heic(ways: Ways, thread: Place) -> None:
    ways.town.ann.send(thread, files={"a.heic": b"x"})


@pytest.mark.parametrize(
    ("send", "said"),
    [(voice, "cannot listen to voice"), (video, "cannot watch it"), (heic, "cannot see it; send it as JPEG")],
)
async def test_what_cannot_be_used_is_said_once_and_makes_no_prompt(
    ways: Ways, send: object, said: str
) -> None:
    assert callable(send)
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    send(ways, thread)
    await thread.wait_for_message(said)
    await ways.dealt_with()
    assert len(thread.from_bot) == 1
    assert len(await ways.prompts(session)) == 1


async def test_a_prompt_with_a_video_goes_and_says_what_claude_does_not_see(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    ways.town.ann.send(thread, "cut it", files={"a.mp4": b"x", "b.png": PICTURE})
    said = await thread.wait_for_message("About its files")
    prompt, files = await last_turn(ways, session, 2)
    assert said.text.split("\n")[1:] == ["“a.mp4” is a video. Claude cannot watch it; send pictures of it."]
    assert files == ["a.mp4", "b.png"]
    assert prompt.startswith("cut it")
    assert Path(session.snapshot.work_directory).exists()


async def test_an_edit_of_a_paste_keeps_its_text(ways: Ways) -> None:
    thread, session = await busy_session(ways)
    paste = ways.town.ann.send(thread, files={"message.txt": b"the paste"})
    await reached(session, lambda each: each.next_turn == 3)
    ways.town.ann.edit(paste, "read this:")
    ways.town.ann.send(thread, "next")
    await reached(session, lambda each: each.next_turn == 4)
    assert (await ways.prompts(session))[1] == "read this:\n\nthe paste"
    open_gate(ways)
    await idle(session)


async def test_words_that_an_edit_adds_to_files_that_wait_are_their_words(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town, replace(options(fake), words_patience_s=3600)) as ways:
        thread, session = await ways.started(town.ann, "demo:text first")
        sent = town.ann.send(thread, files={"a.png": PICTURE})
        await ways.waiting(1)
        town.ann.edit(sent, "demo:text look")
        prompt, files = await last_turn(ways, session, 2)
        await ways.dealt_with()
        assert prompt.startswith("demo:text look\n")
        assert files == ["a.png"]
        assert len(thread.from_bot) == 0


async def test_files_that_are_deleted_while_they_wait_are_no_prompt(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town, replace(options(fake), words_patience_s=3600)) as ways:
        thread, session = await ways.started(town.ann, "demo:text first")
        sent = town.ann.send(thread, files={"a.png": PICTURE})
        await ways.waiting(1)
        town.ann.delete(sent)
        await ways.dealt_with()
        town.ann.send(thread, "demo:text next")
        assert await last_turn(ways, session, 2) == ("demo:text next", [])


async def test_talk_after_files_that_is_for_somebody_else_is_no_prompt(ways: Ways) -> None:
    sent = ways.town.ann.send(ways.fake.general, ways.fake.bot.mention, files={"a.png": PICTURE})
    ways.town.ann.send(ways.fake.general, f"{ways.town.bob.mention} did you see?")
    thread = await ways.fake.general.wait_for_thread(lambda each: each.id == sent.id)
    prompt, files = await last_turn(ways, await ways.session_in(thread), 1)
    await ways.dealt_with()
    assert prompt.startswith("Attached files:")
    assert files == ["a.png"]
    assert [each.id for each in ways.fake.general.threads] == [sent.id]


async def test_files_that_are_given_twice_go_along_once(ways: Ways) -> None:
    patient = replace(ways.client.face, options=replace(ways.client.face.options, words_patience_s=3600))
    files = MessageBody(1, 7, "", (IncomingFile("a.png", "", 1),))
    words = MessageBody(1, 8, "look")
    rows = [
        InboxRow(f"message:{each.message_id}", "message", 5, 6, msgspec.to_builtins(each), each.message_id)
        for each in (files, words)
    ]
    for row in rows:
        await take_in(ways.core.db, row)
    for _ in range(2):  # a kill comes after the files were given, and before their row was closed
        assert await LoneFiles(patient).join(rows[0], files)
    stored = await ways.core.db.read("SELECT body FROM inbox WHERE external = 'message:8'")
    joined = msgspec.json.decode(str(stored[0][0]), type=MessageBody)
    assert ([each.name for each in joined.files], joined.joined, joined.content) == (["a.png"], (7,), "look")
