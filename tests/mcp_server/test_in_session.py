"""Claude uses the bridge's tools in its session: for its owner, on this session, over every restart."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace  # noqa: TID251
from pathlib import Path
from typing import Any, cast

import pytest

import api as c
from api.access import Actor, Role
from api.core import Core
from bridge.demo.model import DemoModel
from mcp_server.in_session import SessionToolbox
from sessions.model import PermissionMode, ToolOutput, TurnId
from sessions.session import Session
from sessions.session_maker import NewSession
from sessions.tools import ToolReply, ToolUse
from tests.fakes.cli_home import make_cli_home
from tests.sessions.checkpointed import policy_in
from tests.sessions.running_core import CoreParts, RunningCore, reached, running_core

OWNER = Actor("ann", "test", Role.USER)


@asynccontextmanager
async def core_with_tools(directory: Path, parts: CoreParts | None = None) -> AsyncIterator[RunningCore]:
    parts = replace(parts or CoreParts(), tools=SessionToolbox)
    async with running_core(directory, parts, checkpoints=policy_in(directory)) as core:
        yield core


async def answer_of(core: RunningCore, session: Session, turn: TurnId) -> Any:
    """Wait for the turn and return the answer of its tool."""
    await reached(session, lambda snapshot: (snapshot.is_idle and not snapshot.queue) or bool(snapshot.asks))
    assert not session.snapshot.asks, "nobody is asked"
    view = await core.do(c.ReadTurn(session_id=session.id, turn_id=turn))
    (output,) = [each.block for each in view.blocks if isinstance(each.block, ToolOutput)]
    return json.loads(output.text) if output.text.startswith("{") else output.text


def calling(tool: str, **arguments: Any) -> str:
    return f"demo:tool mcp__bridge__{tool} {json.dumps(arguments)}"


@pytest.mark.real_cli
@pytest.mark.timeout(180)
async def test_the_real_cli_calls_tools_unasked_over_plan_mode_a_restart_parking_and_a_branch(
    tmp_path: Path,
) -> None:
    async with DemoModel() as demo:
        home = make_cli_home(tmp_path / "cli", demo.base_url)
        parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
        async with core_with_tools(tmp_path / "core", parts) as core:
            session = await core.session()
            turn = await core.say(session, calling("session_checkpoint", label="first"))
            assert (await answer_of(core, session, turn))["label"] == "first"
            assert "Take one before anything risky" in str(demo.requests), "Claude reads the instructions"
            assert [each.name for each in (await info(core, session)).mcp_servers] == []
            await session.set_permission_mode(PermissionMode.PLAN)
            turn = await core.say(session, calling("session_checkpoint", label="while planning"))
            assert (await answer_of(core, session, turn))["label"] == "while planning"
            turn = await core.say(session, f"demo:gate away {calling('session_list')}")
            await demo.reached("away")
            await core.manager.shutdown()
            demo.release("away")
            async with core_with_tools(tmp_path / "core", parts) as again:
                session = await again.manager.get_session(session.id)
                told = await answer_of(again, session, turn)
                assert {each["label"] for each in told["checkpoints"]} >= {"first", "while planning"}
                await session.park("a test")
                turn = await again.say(session, calling("session_list"))
                assert (await answer_of(again, session, turn))["session"]["session_id"] == session.id
                branched = await again.do(c.Branch(session_id=session.id, channel_id="b"), OWNER)
                branch = await again.manager.get_session(branched.id)
                turn = await again.say(branch, calling("session_checkpoint", label="branch"))
                assert (await answer_of(again, branch, turn))["label"] == "branch"
                page = await again.do(c.ListCheckpoints(session_id=branch.id))
                assert "branch" in {each.label for each in page.checkpoints}
                audited = await again.do(c.ReadAudit(session_id=branch.id))
                (entry,) = [each for each in audited.entries if each.action == "take_checkpoint"]
                assert (entry.actor, entry.face, entry.detail) == ("ann", "claude", f"by claude:{branch.id}")


async def info(core: RunningCore, session: Session) -> c.SessionInfo:
    found: c.SessionInfo = await core.do(c.GetSession(session_id=session.id))
    return found


async def test_a_call_knows_its_own_session_only_and_every_strange_argument_is_refused_in_words(
    tmp_path: Path,
) -> None:
    async with core_with_tools(tmp_path / "core") as core:
        mine, others = await core.session(), await core.session("bob", "d")
        here = await core.manager.create_session(NewSession("ann", "e"))
        box = core.manager.policy.tools
        assert box is not None

        async def use(tool: str, **arguments: Any) -> ToolReply:
            return await box.use(ToolUse(mine.id, "ann", "call-1", tool, arguments))

        missing = await use("session_list", session_id="0193a000-0000-7000-8000-000000000000")
        assert missing.is_error
        assert missing == await use("session_list", session_id=others.id)
        assert missing == await use("session_checkpoint", session_id=here.id)
        for tool, arguments, told in (
            ("no_such_tool", {}, "no tool of this name"),
            ("session_checkpoint", {"label": 7}, "Expected `str`"),
            ("session_checkpoint", {"label": "x" * 201}, "length <= 200"),
            ("session_checkpoint", {"lable": "x"}, "unknown field"),
            ("session_list", {"session_id": ["x"]}, "Expected `str`"),
        ):
            refused = await use(tool, **arguments)
            assert refused.is_error, tool
            assert told in refused.text
        taken = await use("session_checkpoint", label="a\x00\x1b[31m\u202eb\nc")
        assert json.loads(taken.text)["label"] == "a[31mb c"
        assert taken == await use("session_checkpoint", label="again, after a crash"), "one act for one call"
        told = json.loads((await use("session_list")).text)
        assert told["session"]["session_id"] == mine.id
        assert [each["session_id"] for each in told["active"]] == [here.id], "of its owner, in its project"


def test_the_tools_are_shown_without_the_id_of_the_session() -> None:
    for tool in SessionToolbox(cast("Core", None)).tools:
        assert "session_id" not in tool.input_schema["properties"]
        assert "$ref" not in json.dumps(tool.input_schema)


async def test_the_record_of_a_session_is_kept_by_its_tools_and_each_call_writes_once(tmp_path: Path) -> None:
    async with core_with_tools(tmp_path / "core") as core:
        session = await core.session()
        (Path(session.snapshot.work_directory) / "log.txt").write_text("x")
        box = core.manager.policy.tools
        assert box is not None

        async def use(tool: str, call: str = "", **arguments: Any) -> Any:
            reply = await box.use(ToolUse(session.id, "ann", call or tool, tool, arguments))
            assert not reply.is_error, reply.text
            return json.loads(reply.text)

        started = await use("session_start", focus="log\u200bin\x07 page")
        assert started["focus"] == "login page"
        assert started["name"].endswith("-session-001-login-page")
        for _ in range(2):  # the second is the same call, handed over again after a crash
            assert await use("session_note", text="one\x1b") == {"kind": "note", "number": 1, "title": "one"}
            assert (await use("session_decision", text="a b", title="t"))["number"] == 1
        assert (await use("session_note", "another", text="two"))["number"] == 2
        assert (await use("session_track", paths=["log.txt"]))["total"] == 1
        assert (await use("session_list"))["session"]["name"] == started["name"]
        assert (await use("session_end", summary="All is done."))["name"] == started["name"]
        folder = await core.do(c.ReadFolder(session_id=session.id))
        assert (folder.is_ended, folder.draft, folder.drafted_by) == (False, "All is done.", "claude")
        notes = (await core.do(c.ListNotes(session_id=session.id))).notes
        assert [(each.kind, each.text) for each in notes] == [
            ("note", "one"),
            ("decision", "a b"),
            ("note", "two"),
        ]
        outside = await box.use(ToolUse(session.id, "ann", "x", "session_track", {"paths": ["../secret"]}))
        assert outside.is_error
