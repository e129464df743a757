"""Typed lines are carried out, whatever becomes of the core meanwhile."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import api as c
from api.access import Actor, Role
from console.screen import Left, Typed
from console.typed_input import ChatWish, TypedInput
from sessions.errors import CoreLost, PromptRefused, SessionNotFound
from sessions.model import TurnKind
from tests.sessions.running_core import running_core

ME = Actor("terminal:me", "terminal", Role.ADMIN)


class FakeCore:
    """Takes prompts; `failure` is what sending one raises, `waits` keeps it from being answered."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.sent: list[c.SendMessage] = []
        self.failure = failure
        self.waits = asyncio.Event()
        self.waits.set()

    async def perform(self, _: Actor, command: Any) -> None:
        assert isinstance(command, c.SendMessage)
        self.sent.append(command)
        await self.waits.wait()
        if self.failure is not None:
            raise self.failure


def servant(*typed: str) -> tuple[TypedInput, list[str]]:
    """A servant for the session `s` to whom this is typed, and then that the person leaves; what is said."""
    said: list[str] = []
    wishes: asyncio.Queue[Any] = asyncio.Queue()
    for wish in (*map(Typed, typed), Left()):
        wishes.put_nowait(wish)
    screen = SimpleNamespace(wishes=wishes, say=said.append, remark=said.append, columns=80)
    follower = SimpleNamespace(session_id="s")
    return TypedInput(ME, cast("Any", None), ChatWish(), cast("Any", screen), cast("Any", follower)), said


async def run(one: TypedInput, core: FakeCore) -> None:
    await one.run(cast("Any", core))


async def test_a_prompt_that_a_lost_core_did_not_confirm_goes_to_the_next_as_the_same() -> None:
    one, _ = servant("first", "second")
    lost, following = FakeCore(CoreLost("gone")), FakeCore()
    with pytest.raises(CoreLost):
        await run(one, lost)
    await run(one, following)
    assert [each.content for each in following.sent] == ["first", "second"]
    assert following.sent[0] == lost.sent[0]  # the same origin: it is one turn, if both have it


async def test_a_prompt_whose_sending_was_cut_goes_to_the_next_core_too() -> None:
    one, _ = servant("first")
    silent, following = FakeCore(), FakeCore()
    silent.waits.clear()
    task = asyncio.create_task(run(one, silent))
    async with asyncio.timeout(60):
        while not silent.sent:  # noqa: ASYNC110 (a step or two of the loop)
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await run(one, following)
    assert following.sent == silent.sent


async def test_a_prompt_that_was_refused_is_not_sent_again() -> None:
    one, said = servant("first")
    await run(one, FakeCore(PromptRefused("It is too long.")))
    assert "too long" in said[0]
    one._screen.wishes.put_nowait(Left())
    following = FakeCore()
    await run(one, following)
    assert following.sent == []


async def test_a_branch_is_opened_at_once_and_the_way_back_is_named() -> None:
    one, said = servant("/branch new same")
    opened: list[str] = []
    one._follower = cast("Any", SimpleNamespace(session_id="s", open=opened.append))
    asked: list[Any] = []

    async def perform(_: Actor, command: Any) -> Any:
        asked.append(command)
        return SimpleNamespace(id="the branch")

    await run(one, cast("Any", SimpleNamespace(perform=perform)))
    assert asked == [c.Branch(session_id="s", channel_id="terminal:chat", own_copy=False)]
    assert opened == ["the branch"]
    assert "/switch s" in said[0]


@pytest.mark.parametrize(("typed", "opened"), [("0189-a", "0189-abc"), ("0189", "0189"), ("77", "77")])
async def test_a_session_is_found_by_the_beginning_of_its_id_if_only_one_has_it(
    typed: str, opened: str
) -> None:
    one, _ = servant(f"/switch {typed}")
    asked: list[str] = []
    one._follower = cast("Any", SimpleNamespace(session_id="s", open=asked.append))

    async def perform(_: Actor, command: Any) -> Any:
        if isinstance(command, c.QuerySessions):
            return SimpleNamespace(sessions=[SimpleNamespace(id="0189-abc"), SimpleNamespace(id="0189-bcd")])
        return SimpleNamespace(id=command.session_id)

    await run(one, cast("Any", SimpleNamespace(perform=perform)))
    assert asked == [opened]


@pytest.mark.parametrize("typed", [f"/page publish X {'9' * 5_000}", f"/switch {'9' * 5_000}"])
async def test_a_number_longer_than_python_reads_does_not_end_the_chat(typed: str) -> None:
    one, said = servant(typed)

    async def perform(_: Actor, command: Any) -> Any:
        if isinstance(command, c.QuerySessions):
            return SimpleNamespace(sessions=[])
        raise SessionNotFound(command.session_id)

    await run(one, cast("Any", SimpleNamespace(perform=perform)))
    assert len(said) == 1


@pytest.mark.parametrize("typed", ["/stop", "/retry", "/permissions", "/checkpoint list", "/branch new"])
async def test_an_act_on_a_session_makes_none_in_an_empty_chat(typed: str) -> None:
    one, said = servant(typed)
    one._follower = cast("Any", SimpleNamespace(session_id=""))
    await run(one, FakeCore())
    assert said == ["Nothing runs here yet. The first prompt begins a session."]


async def test_a_new_session_tells_how_the_last_one_of_its_project_ended(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        info = await core.do(c.CreateSession(channel_id="terminal:chat"))
        await core.do(c.SetFocus(session_id=info.id, focus="Repair the shop"))
        ended = await core.do(c.EndSession(session_id=info.id, summary="It sells again."))
        one, said = servant("/new")
        one._store = cast("Any", SimpleNamespace(set_current=lambda _: None))
        one._follower = cast("Any", SimpleNamespace(session_id="", open=lambda _: None))
        await run(one, cast("Any", core.service))
    assert f"The last session here ({ended.name}): It sells again." in said


async def test_a_template_with_more_values_than_places_is_refused(tmp_path: Path) -> None:
    async with running_core(tmp_path) as running:
        core = running.service
        await core.perform(ME, c.SavePromptTemplate(name="x", text="demo:text {file}"))
        one, said = servant("/template x | a | b")
        await one.run(core)
        assert "takes 1 value, in order" in "".join(said)


@pytest.mark.parametrize(
    ("typed", "changed", "done"),
    [
        ("/retry", ("a.py",), ["ReadTurns", "RewindFiles dry"]),
        ("/retry", (), ["ReadTurns", "RewindFiles dry", "Regenerate"]),
        ("/retry keep", ("a.py",), ["Regenerate"]),
        ("/retry back", ("a.py",), ["ReadTurns", "RewindFiles", "Regenerate"]),
    ],
)
async def test_asking_again_asks_first_what_becomes_of_changed_files(
    typed: str, changed: tuple[str, ...], done: list[str]
) -> None:
    one, said = servant(typed)
    asked: list[str] = []

    async def perform(_: Actor, command: Any) -> Any:
        asked.append(type(command).__name__ + " dry" * getattr(command, "dry_run", False))
        match command:
            case c.ReadTurns():
                return SimpleNamespace(
                    turns=[SimpleNamespace(turn=SimpleNamespace(id="t", kind=TurnKind.PROMPT))]
                )
            case c.RewindFiles():
                return c.FilesChanged(changed, 3, 1, done=not command.dry_run)
            case _:
                return None

    await one.run(cast("Any", SimpleNamespace(perform=perform)))
    assert asked == done
    assert ("Put them back or keep them? /retry back, or /retry keep." in "".join(said)) == (
        "Regenerate" not in done
    )
