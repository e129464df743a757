"""Sessions as people use them, on the scripted CLI in real processes."""

import asyncio
from typing import Any
from unittest.mock import patch

import pytest

from sessions import rows
from sessions.errors import (
    IllegalMove,
    PlaceTaken,
    PromptRefused,
    SessionNotFound,
    WorkDirectoryRefused,
)
from sessions.manager import SessionManager
from sessions.model import (
    Lifecycle,
    PermissionMode,
    TurnId,
)
from sessions.prompt_queue import Sender
from sessions.session_maker import NewSession
from tests.sessions.scripted import USER, Place, make, rest, send, turns
from tests.sessions.scripted_manager import manager, place

__all__ = ["manager", "place"]


# --- making ---------------------------------------------------------------------------------------------


async def test_a_hundred_who_want_the_session_of_a_place_at_once_get_the_same_one(
    manager: SessionManager,
) -> None:
    wish = NewSession(USER, "channel", key="channel")
    sessions = await asyncio.gather(*(manager.get_or_create_session(wish) for _ in range(100)))
    assert len({id(session) for session in sessions}) == 1
    await manager.clear_session(sessions[0].id)
    assert (await manager.get_or_create_session(wish)).id != sessions[0].id


async def test_a_place_that_is_taken_is_refused_with_a_sentence_and_leaves_nothing(
    manager: SessionManager,
) -> None:
    first = await manager.create_session(NewSession(USER, "channel", key="channel"))
    with pytest.raises(PlaceTaken, match="another session at this place"):
        await manager.create_session(NewSession("discord:2", "channel", key="channel"))
    assert [each.id for each in manager.loaded()] == [first.id]


async def test_a_session_without_a_place_is_nobodys_to_find(manager: SessionManager) -> None:
    first = await manager.get_or_create_session(NewSession("discord:1", "c"))
    second = await manager.get_or_create_session(NewSession("discord:2", "c"))
    assert first.id != second.id


REFUSED = {
    "missing": ("nothere", "does not exist"),
    "outside": ("../..", "outside the workspace"),
    "absolute": ("/etc", "outside the workspace"),
    "by a link": ("link", "outside the workspace"),
    "a file": ("file", "not a directory"),
    "NUL": ("a\0b", "character"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_work_directory_that_is_none_of_ours_is_refused_before_anything_is_made(
    place: Place, manager: SessionManager, case: str
) -> None:
    project, reason = REFUSED[case]
    (place.workspaces / "link").symlink_to("/etc")
    (place.workspaces / "file").touch()
    with pytest.raises(WorkDirectoryRefused, match=reason):
        await make(manager, project=project)
    assert await manager.db.read("SELECT 1 FROM sessions") == []
    assert not (place.root / "run").exists()


@pytest.mark.parametrize("name", ["../../etc", "", "a/b", "01890000-0000-7000-8000-00000000000G", "x" * 400])
async def test_an_id_that_is_none_finds_no_session(manager: SessionManager, name: str) -> None:
    with pytest.raises(SessionNotFound):
        await manager.get_session(name)


# --- prompts --------------------------------------------------------------------------------------------


async def test_prompts_run_one_after_the_other_each_with_its_own_answer(manager: SessionManager) -> None:
    session = await make(manager)
    placed = [
        await session.send_message(f"demo:text {n}", sender=Sender(USER, f"{session.id} {n}")) for n in range(5)
    ]
    assert [each.place for each in placed] == sorted(each.place for each in placed)
    await rest(session)
    assert await turns(session) == [(f"demo:text {n}", "done", f"DEMO: {n}") for n in range(5)]
    assert (session.snapshot.title, session.message_count) == ("demo:text 0", 5)


async def test_waiting_prompts_of_one_person_become_one_once(place: Place, manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, "demo:gate one", "demo:text two", "demo:text three", "demo:text four")
    await place.at_gate("one")
    two, three, four = (turn.turn_id for turn in session.snapshot.queue)
    foreign = await session.send_message("demo:text five", sender=Sender("discord:2", "of another"))
    wish = Sender("discord:2", "joined")
    for refused in ([two], [two, foreign.turn_id]):
        with pytest.raises(PromptRefused):
            await session.prompts.join(refused, wish)
    joined = [await session.prompts.join([three, two], wish) for _ in range(2)]
    assert joined[0] == joined[1]
    with pytest.raises(IllegalMove):
        await session.prompts.join([two, four], Sender(USER, "too late"))
    place.open_gate("one")
    await rest(session)
    done = [turn for turn in await rows.load_turns(manager.db, session.id) if turn.status == "done"]
    done.sort(key=lambda turn: turn.started_ms or 0)
    assert [turn.prompt for turn in done[1:]] == [
        "demo:text two\n\ndemo:text three",
        "demo:text four",
        "demo:text five",
    ]
    assert [turn.author_id for turn in done[1:]] == [USER, USER, "discord:2"]


async def test_the_queue_can_be_changed_until_a_prompt_is_sent(place: Place, manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, "demo:gate one", "demo:text two", "demo:text three", "demo:text four")
    await place.at_gate("one")
    two, three, four = (turn.turn_id for turn in session.snapshot.queue)
    await session.prompts.withdraw(two, by=USER)
    await session.prompts.edit(three, "demo:text edited")
    await session.prompts.move_to_front(four)
    running = session.snapshot.current
    assert running is not None
    for refused in (
        session.prompts.withdraw(running.turn_id, by=USER),
        session.prompts.move_to_front(running.turn_id),
    ):
        with pytest.raises(IllegalMove):
            await refused
    place.open_gate("one")
    await rest(session)
    assert {prompt: (status, said) for prompt, status, said in await turns(session)} == {
        "demo:gate one": ("done", ""),
        "demo:text two": ("withdrawn", ""),
        "demo:text edited": ("done", "DEMO: edited"),
        "demo:text four": ("done", "DEMO: four"),
    }
    db = manager.db
    ended = {t.prompt: t.started_ms or 0 for t in await rows.load_turns(db, session.id)}
    assert ended["demo:text four"] <= ended["demo:text edited"]


async def test_the_same_message_handed_in_again_is_one_turn(manager: SessionManager) -> None:
    session = await make(manager)
    sender = Sender(USER, "message 1")
    placed = await asyncio.gather(*(session.send_message("demo:text once", sender=sender) for _ in range(5)))
    assert len({each.turn_id for each in placed}) == 1
    await rest(session)
    assert await turns(session) == [("demo:text once", "done", "DEMO: once")]


@pytest.mark.parametrize("content", ["", " \n", "x" * 1_000_001])
async def test_a_prompt_that_says_nothing_or_too_much_is_refused(manager: SessionManager, content: str) -> None:
    session = await make(manager)
    with pytest.raises(PromptRefused):
        await session.send_message(content, sender=Sender(USER, "x"))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("compact", "keep @notes"), ("model opus", ""), (" model", ""), ("", "x"), ("model", ""), ("a\nb", "")],
)
async def test_a_command_that_cannot_be_sent_is_refused_before_it_waits(
    name: str, arguments: str, manager: SessionManager
) -> None:
    session = await make(manager)
    with pytest.raises(PromptRefused):
        await session.command(name, arguments, sender=Sender(USER, "command"))
    await send(session, "demo:text one")
    await rest(session)
    assert await turns(session) == [("demo:text one", "done", "DEMO: one")]


async def test_a_command_that_waits_does_not_become_another_by_editing(
    place: Place, manager: SessionManager
) -> None:
    session = await make(manager)
    await send(session, "demo:gate one")
    await place.at_gate("one")
    placed = await session.command("compact", sender=Sender(USER, "command"))
    with pytest.raises(PromptRefused):
        await session.prompts.edit(placed.turn_id, "/permissions allow Bash")
    place.open_gate("one")


async def test_a_prompt_of_a_megabyte_with_strange_characters_arrives_whole(manager: SessionManager) -> None:
    session = await make(manager)
    prompt = "demo:digest\n" + "\u2028é😀x" * 200_000
    await send(session, prompt)
    await rest(session)
    ((_, status, said),) = await turns(session)
    assert status == "done"
    assert f"{len(prompt)} characters" in said


async def test_interrupting_keeps_what_was_said_and_the_process(place: Place, manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, "demo:text half demo:gate g demo:text never", "demo:text next")
    await place.at_gate("g")
    host = session.snapshot.host
    assert await session.stop()
    await rest(session)
    assert [each[1:] for each in await turns(session)] == [
        ("interrupted", "DEMO: half"),
        ("done", "DEMO: next"),
    ]
    assert session.snapshot.host == host
    assert not await session.stop()


async def test_send_now_interrupts_and_is_next(place: Place, manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, "demo:gate g", "demo:text two", "demo:text three")
    await place.at_gate("g")
    await session.send_now(session.snapshot.queue[1].turn_id)
    await rest(session)
    order = await manager.db.read(
        "SELECT body ->> 'turn_id' FROM events WHERE kind = 'turn_sent' ORDER BY number"
    )
    sent = [(await rows.load_turn(manager.db, TurnId(str(row[0])))).prompt for row in order]
    assert sent == ["demo:gate g", "demo:text three", "demo:text two"]


async def test_regenerating_asks_again_and_keeps_the_dropped_answer(manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, "demo:text kept", "demo:text dropped")
    await rest(session)
    sender = Sender(USER, "again")
    first = await session.regenerate(sender=sender)
    assert (await session.regenerate(sender=sender)).turn_id == first.turn_id, "handed in again after a crash"
    await rest(session)
    found = list(reversed(await rows.load_turns(manager.db, session.id)))
    assert [turn.prompt for turn in found] == ["demo:text kept", "demo:text dropped", "demo:text dropped"]
    assert found[2].alternative_of == found[1].id
    assert {turn.status.value for turn in found} == {"done"}


async def test_no_prompt_overtakes_one_that_asks_for_another_answer(manager: SessionManager) -> None:
    """Its rewind would drop the answer of the prompt that was sent before it."""
    session = await make(manager)
    await send(session, "demo:text dropped")
    await rest(session)
    await session.park("test")
    with patch.object(session, "want_process"):
        again = await session.regenerate(sender=Sender(USER, "again"))
        await session.send_message("demo:text urgent", sender=Sender(USER, "urgent"), front=True)
        await session.send_message("demo:text moved", sender=Sender(USER, "moved"))
        await session.prompts.move_to_front(session.snapshot.queue[2].turn_id)
    assert session.snapshot.queue[0].turn_id == again.turn_id
    await send(session, "demo:text last")
    await rest(session)
    told = [prompt for prompt, _, _ in await turns(session)]
    order = await manager.db.read(
        "SELECT body ->> 'turn_id' FROM events WHERE kind = 'turn_sent' ORDER BY number"
    )
    sent = [(await rows.load_turn(manager.db, TurnId(str(row[0])))).prompt for row in order]
    assert sent == [f"demo:text {word}" for word in ("dropped", "dropped", "moved", "urgent", "last")]
    assert len(told) == 5


async def test_asking_again_is_refused_if_a_prompt_comes_while_the_last_one_is_looked_up(
    manager: SessionManager,
) -> None:
    session = await make(manager)
    await send(session, "demo:text answered")
    await rest(session)

    async def load_and_be_overtaken(*arguments: Any) -> Any:
        found = await rows.load_turns(*arguments)
        await send(session, "demo:text between")
        return found

    with (
        patch("sessions.prompt_queue.load_turns", load_and_be_overtaken),
        pytest.raises(IllegalMove),
    ):
        await session.regenerate(sender=Sender(USER, "again"))
    await rest(session)
    assert [prompt for prompt, _, _ in await turns(session)] == ["demo:text answered", "demo:text between"]


async def test_a_withdrawn_prompt_is_not_what_is_asked_again(place: Place, manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, "demo:gate g", "demo:text withdrawn")
    await place.at_gate("g")
    await session.prompts.withdraw(session.snapshot.queue[0].turn_id, by=USER)
    place.open_gate("g")
    await rest(session)
    await session.regenerate(sender=Sender(USER, "again"))
    await rest(session)
    assert [prompt for prompt, _, _ in await turns(session)][-1] == "demo:gate g"


# --- model, mode, parking -------------------------------------------------------------------------------


async def test_model_and_mode_change_on_a_warm_process_and_outlast_parking(manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, "demo:text one")
    await rest(session)
    await session.set_model("claude-small")
    await session.set_permission_mode(PermissionMode.ACCEPT_EDITS)
    await session.park("test")
    await send(session, "demo:text two")
    await rest(session)
    assert (session.snapshot.model, session.snapshot.mode) == ("claude-small", "acceptEdits")
    assert session.snapshot.host == 2


async def test_a_parked_session_goes_on_in_the_same_conversation(manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, "demo:text one")
    conversation = (await rest(session)).conversation_id
    await session.park("test")
    assert (session.snapshot.lifecycle, session.run) == (Lifecycle.PARKED, None)
    await send(session, "demo:text two")
    await rest(session)
    assert session.snapshot.conversation_id == conversation
    assert [said for *_, said in await turns(session)] == ["DEMO: one", "DEMO: two"]
