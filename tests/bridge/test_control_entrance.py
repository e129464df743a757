"""The first line on the control socket: only a process with a key is served, and it claims no role."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import api as c
from api import wire
from api.access import Actor, Role
from bridge import control_entrance, control_socket
from bridge.control import ControlServer
from bridge.control_client import connected
from bridge.control_keys import KeyKind, read_key
from sessions.errors import CoreLost, NotAllowed
from sessions.model import Allow
from tests.sessions.running_core import RunningCore, reached, running_core

DEADLINE_S = 60
ME = control_socket.local_actor()
ANN = Actor("discord:100000000000000001", "web", Role.USER)


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    (tmp_path / "run").mkdir()

    async def actor_named(named: wire.Named) -> Actor:
        return ANN if named.user_id == ANN.user_id else Actor(named.user_id, named.face, Role.NOBODY)

    async with running_core(tmp_path) as core, ControlServer(core.service, tmp_path, actor_named):
        yield core


async def refusals(core: RunningCore) -> list[tuple[str, str]]:
    entries = (await core.do(c.ReadAudit(limit=50))).entries
    return [(each.actor, each.action) for each in entries if not each.allowed]


async def said_to(core: RunningCore, sent: bytes, *, eof: bool = False) -> list[dict[str, Any]]:
    """Send bytes as the first that a client says; return all answers until the server closes."""
    reader, writer = await asyncio.open_unix_connection(sock=control_socket.connect(core.directory))
    async with asyncio.timeout(DEADLINE_S):
        writer.write(sent)
        if eof:
            writer.write_eof()
        try:
            await writer.drain()
            said = await reader.read()
        except ConnectionError:
            said = b""
    writer.close()
    return [json.loads(line) for line in said.splitlines()]


def enter(key: str) -> bytes:
    return json.dumps({"type": "enter", "key": key}).encode() + b"\n"


STOP_ALL = b'{"type":"perform","id":1,"command":{"type":"clear_all"}}\n'


@pytest.mark.parametrize(
    "first",
    [
        enter(""),
        enter("0" * 64),
        enter("0" * 63),
        enter("0" * 500),
        enter("\ud800é"),
        b'{"type":"enter"}\n',
        b'{"type":"enter","key":5}\n',
        STOP_ALL,
        b"[" * 1000 + b"\n",
        b"\n",
        b"x" * 1_000_000 + b"\n",
        b'{"type":"enter","key":"",' + b" " * 2_000 + b"}\n",
    ],
    ids=lambda first: first[:40].decode(),
)
async def test_without_the_key_nothing_is_served_and_the_try_is_written_down(
    core: RunningCore, first: bytes
) -> None:
    answers = await said_to(core, first + STOP_ALL)
    assert {each["type"] for each in answers} <= {"hello", "failed"}
    assert await refusals(core) == [(ME.user_id, "use_the_control_socket")]


async def test_a_key_that_is_cut_prolonged_or_changed_is_wrong(core: RunningCore) -> None:
    key = read_key(core.directory, KeyKind.TERMINAL)
    for wrong in (key[:-1], key + "0", key[:-1] + "g", key.upper() + " ", "\x00" + key):
        answers = await said_to(core, enter(wrong) + STOP_ALL)
        assert [each["type"] for each in answers] == ["hello", "failed"], wrong
    assert len(await refusals(core)) == 1, "a loop of tries does not fill the audit"


async def test_a_first_line_that_does_not_come_is_not_waited_for(
    core: RunningCore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entrance = control_entrance.Entrance
    monkeypatch.setattr("bridge.control.Entrance", lambda *facts: entrance(*facts, first_line_s=0.05))
    other = tmp_path / "other"
    (other / "run").mkdir(parents=True)
    async with ControlServer(core.service, other):
        reader, writer = await asyncio.open_unix_connection(sock=control_socket.connect(other))
        writer.write(b'{"type":"enter","key":"')  # and no more
        async with asyncio.timeout(DEADLINE_S):
            said = await reader.read()
        writer.close()
    assert b'"failed"' in said
    assert await said_to(core, b'{"type":', eof=True), "a client that closes its side is answered at once"


async def test_keys_are_private_new_at_each_start_and_go_with_the_server(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    seen: set[str] = set()
    async with running_core(tmp_path) as core:
        for _ in range(2):
            async with ControlServer(core.service, tmp_path):
                for kind in KeyKind:
                    path = tmp_path / "run" / kind.value
                    assert stat.S_IMODE(path.stat().st_mode) == 0o600
                    assert len(read_key(tmp_path, kind)) == 64
                    seen.add(read_key(tmp_path, kind))
                await core.do(c.QuerySessions())
    assert len(seen) == 4
    assert not list((tmp_path / "run").glob("*.key"))


async def test_a_client_that_cannot_read_the_key_says_so(core: RunningCore) -> None:
    (core.run / KeyKind.TERMINAL.value).unlink()
    with pytest.raises(CoreLost, match="key of the running bridge cannot be read"):
        async with connected(core.directory):
            pass


@pytest.mark.parametrize("claimed", [{}, {"role": "admin"}, {"role": "admin", "group_ids": ["discord:1"]}])
async def test_a_role_that_a_client_claims_does_not_count(core: RunningCore, claimed: dict[str, Any]) -> None:
    actor = {"user_id": "discord:666", "face": "discord", **claimed}
    wish = json.dumps({"type": "perform", "id": 1, "command": {"type": "clear_all"}, "actor": actor}).encode()
    for kind in KeyKind:
        answers = await said_to(core, enter(read_key(core.directory, kind)) + wish + b"\n", eof=True)
        assert [each["type"] for each in answers] == ["hello", "entered", "failed"]
        assert answers[-1]["kind"] == "NotAllowed"
    (newest, *_) = (await core.do(c.ReadAudit(limit=1))).entries
    assert (newest.actor, newest.face, newest.detail) == ("discord:666", "discord", f"by {ME.user_id}")


async def test_only_the_web_process_may_speak_for_others_and_with_their_role_only(core: RunningCore) -> None:
    async with connected(core.directory) as terminal, connected(core.directory, KeyKind.WEB) as web:
        for client in (terminal, web):
            await client.perform(ME, c.QuerySessions())
        with pytest.raises(NotAllowed):
            await terminal.perform(ANN, c.QuerySessions())
        assert (await web.perform(ANN, c.QuerySessions())).sessions == ()
        with pytest.raises(NotAllowed):
            await web.perform(Actor(ANN.user_id, "web", Role.ADMIN), c.ClearAll())


async def test_an_answer_for_somebody_says_by_whom_in_card_and_audit(core: RunningCore) -> None:
    session = await core.session(ANN.user_id)
    await core.say(session, "demo:bash touch made")
    (ask,) = (await reached(session, lambda snapshot: bool(snapshot.asks))).asks
    answer = c.AnswerAsk(session_id=session.id, ask_id=ask.id, decision=Allow())
    async with connected(core.directory, KeyKind.WEB) as web:
        await web.perform(ANN, answer)
    stored = await core.db.read("SELECT decided_by, decided_through FROM asks")
    assert [tuple(row) for row in stored] == [(ANN.user_id, ME.user_id)]
    (entry,) = (await core.do(c.ReadAudit(limit=1))).entries
    assert (entry.actor, entry.action, entry.detail) == (ANN.user_id, "answer_ask", f"by {ME.user_id}")


async def test_no_key_is_in_an_environment_a_command_line_or_a_log(core: RunningCore) -> None:
    keys = [read_key(core.directory, kind).encode() for kind in KeyKind]
    session = await core.session()
    await core.say(session, "demo:bash env")
    await reached(session, lambda snapshot: bool(snapshot.asks))
    seen = [path for place in ("environ", "cmdline") for path in Path("/proc").glob(f"[0-9]*/{place}")]
    seen += [path for path in (core.run / session.id).rglob("*") if path.is_file()]
    content = b"".join(content_of(path) for path in seen)
    assert str(core.run).encode() in content
    assert not any(key in content for key in keys)


def content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
