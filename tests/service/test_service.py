"""One entry for every face: who may not is refused and written down; what is allowed is carried out."""

from typing import Any, get_type_hints

import pytest
from msgspec.structs import replace

import api as c
from api.access import Actor, Role
from service import ServiceParts, SessionService
from service.session_info import _SHARED
from sessions.errors import NotAllowed, SessionError, SessionNotFound
from sessions.model import PermissionMode, SessionId, ShareLevel
from sessions.snapshot import Snapshot
from tests.sessions.kit import House

OWNER = Actor("discord:1", "discord", Role.USER)
OTHER = Actor("discord:2", "discord", Role.USER, group_ids=("discord:role:9",))
VIEWER = Actor("discord:3", "discord", Role.VIEWER)
NOBODY = Actor("discord:4", "discord", Role.NOBODY)
ADMIN = Actor("discord:5", "discord", Role.ADMIN)


@pytest.fixture
async def service(here: House) -> SessionService:
    return SessionService(ServiceParts(here.manager))


async def owned(service: SessionService, key: str = "") -> SessionId:
    return (await service.perform(OWNER, c.CreateSession(channel_id="c", key=key))).id


async def test_a_stranger_is_refused_and_the_refusal_is_written_down(service: SessionService) -> None:
    session_id = await owned(service)
    for actor in (OTHER, VIEWER, NOBODY):
        with pytest.raises(NotAllowed):
            await service.perform(actor, c.SendMessage(session_id=session_id, content="x", origin="1"))
    audit = (await service.perform(ADMIN, c.ReadAudit(session_id=session_id))).entries
    refused = [(each.actor, each.action) for each in audit if not each.allowed]
    assert sorted(refused) == [("discord:2", "send_message"), ("discord:3", "send_message")]


async def test_nobody_learns_whether_a_session_exists(service: SessionService) -> None:
    session_id = await owned(service)
    for name in (session_id, "01890000-0000-7000-8000-000000000009", "../x"):
        with pytest.raises(NotAllowed):
            await service.perform(NOBODY, c.GetSession(session_id=name))
    with pytest.raises(SessionNotFound):
        await service.perform(ADMIN, c.GetSession(session_id="../x"))


async def test_a_share_gives_what_it_says_and_no_longer_than_it_lasts(service: SessionService) -> None:
    session_id = await owned(service)
    share = c.Share(session_id=session_id, grantee="discord:role:9", level=ShareLevel.VIEW)
    await service.perform(OWNER, share)
    assert (await service.perform(OTHER, c.GetSession(session_id=session_id))).id == session_id
    with pytest.raises(NotAllowed):
        await service.perform(OTHER, c.Interrupt(session_id=session_id))
    await service.perform(OWNER, c.Share(session_id=session_id, grantee="discord:role:9", level=None))
    with pytest.raises(NotAllowed):
        await service.perform(OTHER, c.GetSession(session_id=session_id))


async def test_a_list_shows_only_what_its_reader_may_view(service: SessionService) -> None:
    mine = await owned(service)
    theirs = (await service.perform(OTHER, c.CreateSession(channel_id="c"))).id
    found = {
        actor.user_id: {each.id for each in (await service.perform(actor, c.QuerySessions())).sessions}
        for actor in (OWNER, OTHER, VIEWER, ADMIN)
    }
    assert found == {
        "discord:1": {mine},
        "discord:2": {theirs},
        "discord:3": set(),
        "discord:5": {mine, theirs},
    }


async def test_pages_hold_every_session_once_while_new_ones_come(here: House, service: SessionService) -> None:
    ids = []
    for _ in range(7):
        here.clock.seconds += 1
        ids.append(await owned(service))
    seen, cursor = [], ""
    while True:
        page = await service.perform(OWNER, c.QuerySessions(limit=3, cursor=cursor))
        seen += [each.id for each in page.sessions]
        if not (cursor := page.cursor):
            break
        here.clock.seconds += 1
        await owned(service)
    assert seen == ids[::-1]


async def test_somebody_elses_session_at_a_place_is_not_handed_out(service: SessionService) -> None:
    await owned(service, key="thread")
    with pytest.raises(NotAllowed):
        await service.perform(OTHER, c.GetOrCreateSession(channel_id="c", key="thread"))
    with pytest.raises(NotAllowed):
        await service.perform(OTHER, c.FindSession(key="thread"))
    with pytest.raises(SessionNotFound):
        await service.perform(OTHER, c.FindSession(key=""))


async def test_a_conversation_from_the_first_word_to_the_last(here: House, service: SessionService) -> None:
    session_id = await owned(service)
    accepted = await service.perform(
        OWNER, c.SendMessage(session_id=session_id, content="hello", origin="message 1")
    )
    session = await here.manager.get_session(session_id)
    await session.until(lambda snapshot: snapshot.is_idle and not snapshot.queue)
    view = await service.perform(OWNER, c.ReadTurn(session_id=session_id, turn_id=accepted.turn_id))
    assert (view.turn.prompt, view.turn.status) == ("hello", "done")
    page = await service.perform(OWNER, c.ReadTurns(session_id=session_id))
    assert [replace(each, as_of=view.as_of) for each in page.turns] == [view]
    await service.perform(OWNER, c.Clear(session_id=session_id))
    assert (await service.perform(OWNER, c.GetSession(session_id=session_id))).lifecycle == "ended"


async def test_a_turn_of_another_session_is_not_shown(here: House, service: SessionService) -> None:
    secret = await service.perform(OTHER, c.CreateSession(channel_id="c"))
    turn = await service.perform(OTHER, c.SendMessage(session_id=secret.id, content="secret", origin="1"))
    mine = await owned(service)
    commands: list[c.Command[Any]] = [
        c.ReadTurn(session_id=mine, turn_id=turn.turn_id),
        c.RewindFiles(session_id=mine, turn_id=turn.turn_id),
        c.Branch(session_id=mine, channel_id="c", turn_id=turn.turn_id),
        c.EditQueued(session_id=mine, turn_id=turn.turn_id, content="x"),
        c.WithdrawQueued(session_id=mine, turn_id=turn.turn_id),
    ]
    for command in commands:
        with pytest.raises(SessionError):
            await service.perform(OWNER, command)


async def test_only_an_admin_lets_claude_do_everything_and_a_branch_does_not_inherit_it(
    here: House, service: SessionService
) -> None:
    session_id = await owned(service)
    bypass = PermissionMode.BYPASS
    for refused in (
        c.SetMode(session_id=session_id, mode=bypass),
        c.CreateSession(channel_id="c", mode=bypass),
        c.GetOrCreateSession(channel_id="c", key="k", mode=bypass),
    ):
        with pytest.raises(NotAllowed):
            await service.perform(OWNER, refused)
    audit = (await service.perform(ADMIN, c.ReadAudit())).entries
    assert [each.action for each in reversed(audit) if not each.allowed] == [
        "set_mode",
        "create_session",
        "get_or_create_session",
    ]
    message = c.SendMessage(session_id=session_id, content="hello", origin="message 1")
    await service.perform(OWNER, message)
    session = await here.manager.get_session(session_id)
    await session.until(lambda snapshot: snapshot.is_idle and not snapshot.queue)
    await service.perform(ADMIN, c.SetMode(session_id=session_id, mode=bypass))
    branch = c.Branch(session_id=session_id, channel_id="c")
    assert (await service.perform(OWNER, branch)).mode is PermissionMode.DEFAULT
    assert (await service.perform(ADMIN, branch)).mode is bypass


def test_a_field_that_faces_see_under_the_snapshots_name_has_its_type() -> None:
    shown, stored = get_type_hints(c.SessionInfo), get_type_hints(Snapshot)
    for name, made in vars(Snapshot).items():
        if isinstance(made, property):
            stored[name] = get_type_hints(made.fget)["return"]
    assert {name: shown[name] for name in _SHARED} == {name: stored.get(name) for name in _SHARED}
