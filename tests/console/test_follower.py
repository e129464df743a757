"""The first look at a session shows what still waits, however long ago it began."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

import api as c
from api.access import Actor, Role
from api.words.states import State
from console import live
from console.follower import Follower
from console.view import View, WaitingPrompt, fold, view_of
from sessions import events as e
from sessions.asks import Ask, PermissionBody
from sessions.model import Activity, AskId, Lifecycle, PermissionMode, SessionId, TurnId, TurnStatus

ID = SessionId("01890000-0000-7000-8000-000000000001")
OLD, NEW = (
    Ask(AskId(name), TurnId("t"), 1, "r", 0, PermissionBody("Bash", "u", {"command": f"ls {name}"}))
    for name in ("old", "new")
)
INFO = SimpleNamespace(
    id=ID,
    title="T",
    model="",
    mode=PermissionMode.DEFAULT,
    blocker=None,
    lifecycle=Lifecycle.LIVE,
    activity=Activity.ASKING,
    last_event=400,
    open_asks=(OLD.id, NEW.id),
    queued_turns=(TurnId("late"), TurnId("cut"), TurnId("long ago")),
    running_turn=TurnId("t"),
)


def test_a_turn_that_began_before_the_first_event_can_be_interrupted_and_ends() -> None:
    view = view_of(cast("Any", INFO), 100)
    assert view.is_busy
    _, state = live._state(replace(view, activity=Activity.WORKING), now_ms=10**12)
    assert state == f"● {State.WORKING}", "nobody knows for how long"
    view, _ = fold(view, e.Numbered(ID, 101, 0, e.TurnEnded(TurnId("t"), TurnStatus.DONE)))
    assert not view.is_busy


_STALE = WaitingPrompt(TurnId("gone"), "withdrawn since")


@pytest.mark.parametrize("known", [None, View(ID, 399), View(ID, 400, asks=(NEW,), waiting=(_STALE,))])
async def test_what_waited_before_the_first_event_is_shown_once(known: View | None) -> None:
    printed, views, is_shown = [], list[View](), asyncio.Event()

    async def print_(text: str) -> None:
        printed.append(text)

    def show(view: View | None, *_: object) -> None:
        if view is not None and len(view.asks) == 2:
            views.append(view)
            is_shown.set()

    async def perform(_: Actor, command: Any) -> Any:
        if isinstance(command, c.GetSession):
            return INFO
        if isinstance(command, c.ReadTurn):
            turn_id = TurnId(command.turn_id)
            return SimpleNamespace(turn=SimpleNamespace(id=turn_id, prompt=f"prompt {turn_id}"))
        assert isinstance(command, c.ReadAsk)
        return SimpleNamespace(ask={each.id: each for each in (OLD, NEW)}[AskId(command.ask_id)])

    async def follow(_: Actor, session_id: str, after: int) -> AsyncIterator[e.Numbered]:
        for event in [e.Numbered(ID, 400, 0, e.AskOpened(NEW))][: 400 - after]:
            yield event
        await asyncio.Event().wait()

    store = SimpleNamespace(load=lambda _: known, save=lambda _: None, set_current=lambda _: None)
    screen = SimpleNamespace(print=print_, show=show, remark=lambda _: None, columns=80)
    follower = Follower(Actor("terminal:me", "terminal", Role.ADMIN), cast("Any", store), cast("Any", screen))
    follower.open(ID)
    core = cast("Any", SimpleNamespace(perform=perform, follow=follow))
    running = asyncio.create_task(follower.run(core))
    async with asyncio.timeout(60):
        await is_shown.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert views[0].asks == (OLD, NEW)
    assert [each.text for each in views[0].waiting] == ["prompt late", "prompt cut", "prompt long ago"]
    assert "".join(printed).count("ls old") == 1
