"""Transcripts of the real CLI are read whole: parallel calls, pictures, own commands, files beside them."""

import base64
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import api as c
from bridge.demo.model import DemoModel
from sessions.claude import control
from sessions.model import ExportFormat, Lifecycle, Text, ToolCall, ToolOutput, TurnKind, TurnStatus
from sessions.session import Session
from tests.fakes.cli_home import CliHome, StreamCli, make_cli_home
from tests.sessions.running_core import RunningCore, idle, reached, real_cli_core

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(180)]

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PARALLEL = "demo:bash echo a demo:and demo:bash echo b demo:and demo:read a.png demo:text done"


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    async with DemoModel() as demo, real_cli_core(tmp_path, demo) as core:
        yield core


def home_of(core: RunningCore, session: Session, tmp_path: Path) -> CliHome:
    """The same Claude for a terminal in the session's directory."""
    home = make_cli_home(tmp_path, "http://127.0.0.1:9")
    options = core.manager._around.driver._options  # type: ignore[attr-defined]  # the stream driver's own
    environment = {**home.environment, "ANTHROPIC_BASE_URL": options.overrides["ANTHROPIC_BASE_URL"]}
    return CliHome(home.binary, home.home, Path(session.snapshot.work_directory), environment)


async def turns(core: RunningCore, session_id: str) -> list[c.TurnView]:
    return list(reversed((await core.do(c.ReadTurns(session_id=session_id))).turns))


def steps(turn: c.TurnView) -> list[str]:
    """The calls and results of a turn in order, each by what it did."""
    blocks = [placed.block for placed in turn.blocks]
    names = {block.tool_use_id: str(block.input) for block in blocks if isinstance(block, ToolCall)}
    found: list[str] = []
    for block in blocks:
        match block:
            case ToolCall():
                found.append(f"call {block.name}")
            case ToolOutput():
                found.append(f"result {block.shown}")
                assert block.tool_use_id in names
            case _:
                pass
    return found


async def test_what_was_done_in_a_terminal_is_taken_back_whole_and_as_what_it_is(
    core: RunningCore, tmp_path: Path
) -> None:
    session = await core.session()
    await core.ask(session, "demo:text one")
    await core.ask(session, "demo:background true")
    await reached(session, lambda snapshot: snapshot.is_idle and snapshot.next_turn == 4)  # it has reported
    await core.do(c.HandOver(session_id=session.id))
    home = home_of(core, session, tmp_path)
    (home.work / "a.png").write_bytes(PICTURE)
    known = len(await turns(core, session.id))
    async with StreamCli(home, "--resume", session.snapshot.conversation_id) as cli:
        lines = await cli.turn(PARALLEL)
        await cli.send(json.loads(control.command_message(str(uuid.uuid4()), "context")))
        await cli.idle()
        await cli.close()
    await core.ask(session, "demo:text four")
    _, *elsewhere, last = (await turns(core, session.id))[known - 1 :]
    assert [(turn.turn.kind, turn.turn.prompt) for turn in elsewhere] == [
        (TurnKind.ELSEWHERE, PARALLEL),
        (TurnKind.COMMAND, "/context"),
    ]
    assert last.turn.prompt == "demo:text four"
    printed = [line["message"]["content"] for line in lines if line["type"] in ("user", "assistant")][1:]
    kinds = [block["type"] for content in printed for block in content]
    live = ["call" if kind == "tool_use" else "result" for kind in kinds if kind.startswith("tool")]
    parallel, context = elsewhere
    assert [step.split()[0] for step in steps(parallel)] == live
    assert sorted(steps(parallel)) == [
        *["call Bash"] * 2,
        "call Read",
        "result (1 picture)",
        "result a",
        "result b",
    ]
    said = [placed.block for placed in context.blocks]
    assert [block for block in said if isinstance(block, Text) and "Context" in block.text]
    assert "\x1b" not in str(context.blocks)


async def test_every_turn_that_is_shown_can_be_branched_from_and_goes_on(core: RunningCore) -> None:
    session = await core.session()
    first = await core.ask(session, "demo:text first")
    dropped = await core.ask(session, "demo:text dropped")
    await core.do(c.Regenerate(session_id=session.id, origin="again"))
    await idle(session)
    await core.ask(session, "demo:text kept")
    command = (await core.do(c.RunCommand(session_id=session.id, name="compact", origin="k"))).turn_id
    await idle(session)
    after = await core.ask(session, "demo:text after")
    heard = {
        first: ["first"],
        dropped: ["first", "dropped"],
        command: [],
        after: ["after"],
        None: ["after"],
    }
    for turn_id, before in heard.items():
        info = await core.do(c.Branch(session_id=session.id, channel_id="b", turn_id=turn_id))
        branch = await core.manager.get_session(info.id)
        said = await core.ask(branch, "demo:text leaf")
        assert await core.status(said) is TurnStatus.DONE, turn_id
        path = core.manager._around.conversations.transcript(
            branch.snapshot.conversation_id, Path(branch.snapshot.work_directory)
        )
        assert path is not None
        text = path.read_text()
        assert all(f"demo:text {word}" in text for word in before)
        if turn_id in (first, dropped):
            assert not any(f"demo:text {word}" in text for word in ("kept", "after"))
        if turn_id == dropped:
            await branch.park("test")
            assert await core.status(await core.ask(branch, "demo:text more")) is TurnStatus.DONE


async def test_long_outputs_and_subagents_go_with_copies_exports_and_imports(core: RunningCore) -> None:
    session = await core.session()
    session_id, old = session.id, session.snapshot
    await core.ask(session, "demo:bash seq 1 20000")
    await core.ask(session, "demo:subagent {demo:text sub} demo:text after")
    await session.park("test")
    old = session.snapshot
    conversations = core.manager._around.conversations
    theirs = conversations.transcript(old.conversation_id, Path(old.work_directory))
    assert theirs is not None
    copy = conversations.copy(old.conversation_id)
    assert copy.read_bytes() == theirs.read_bytes(), "the last turn is in our copy when it is parked"
    names = sorted(path.name for path in copy.with_suffix("").rglob("*.*"))
    assert len([name for name in names if name.startswith("agent-")]) == 2
    (output,) = copy.with_suffix("").glob("tool-results/*.txt")
    assert output.read_text().endswith("19999\n20000\n")
    data = await core.do(c.ExportSession(session_id=session_id, format=ExportFormat.JSON))
    info = await core.do(c.ImportSession(channel_id="i", data=data.data))
    imported = await core.manager.get_session(info.id)
    new = imported.snapshot.conversation_id
    # Claude finds the whole output where its history says that it is.
    where = conversations.own_place(new, Path(imported.snapshot.work_directory)).with_suffix("")
    assert str(where / "tool-results" / output.name) in conversations.copy(new).read_text()
    assert old.conversation_id not in conversations.copy(new).read_text()
    await core.ask(imported, "demo:text goes on")
    assert (where / "tool-results" / output.name).read_bytes() == output.read_bytes()
    conversations.remove_copy(new)
    assert not conversations.copy(new).with_suffix("").exists()


async def test_a_branch_goes_on_from_an_answer_that_its_parent_drops_before_it_begins(
    core: RunningCore,
) -> None:
    session = await core.session()
    await core.ask(session, "demo:text first")
    dropped = await core.ask(session, "demo:text dropped")
    info = await core.do(c.Branch(session_id=session.id, channel_id="b", turn_id=dropped))
    await core.do(c.Regenerate(session_id=session.id, origin="again"))
    await idle(session)
    branch = await core.manager.get_session(info.id)
    assert await core.status(await core.ask(branch, "demo:text leaf")) is TurnStatus.DONE


async def test_a_session_that_cannot_start_says_why_and_what_helps(core: RunningCore) -> None:
    session = await core.session()
    turn_id = await core.ask(session, "demo:text first")
    info = await core.do(c.Branch(session_id=session.id, channel_id="b", turn_id=turn_id))
    # Its parent's transcript is another one by the time that it begins.
    path = core.manager._around.conversations.transcript(
        session.snapshot.conversation_id, Path(session.snapshot.work_directory)
    )
    assert path is not None
    await session.park("test")
    rows = path.read_text().replace(session.snapshot.last_uuid, str(uuid.uuid4()))
    path.write_text(rows)
    branch = await core.manager.get_session(info.id)
    await core.say(branch, "demo:text leaf")
    failed = await reached(branch, lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)
    assert failed.reason == (
        "Claude could not be started (exit code 1): the turn that it was to go on from is gone. "
        "Branch from another turn."
    )
