"""One owner: handed over to a terminal and taken back with what was said there; a second process is noticed."""

import asyncio
import json
import os
import shlex
from pathlib import Path

import pytest

import api as c
from bridge.demo.model import DemoModel
from sessions.errors import IllegalMove, SessionNotFound, WorkDirectoryRefused
from sessions.model import Lifecycle, Text, TurnKind
from tests.fakes.cli_home import install_scripted_cli, make_cli_home
from tests.sessions.running_core import CoreParts, RunningCore, idle, reached, running_core


async def in_terminal(
    command: str, binary: Path, prompt: str, environment: dict[str, str], *flags: str
) -> None:
    """Run what `hand_over` says, with `claude` as `binary`, for one prompt."""
    place, _, resume = command.partition(" && ")
    _, conversation = resume.split("--resume ")
    directory = shlex.split(place)[1]
    line = {"type": "user", "message": {"role": "user", "content": prompt}}
    process = await asyncio.create_subprocess_exec(
        *(str(binary), "-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
        *("--resume", conversation, *flags),
        cwd=directory,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        await process.communicate(json.dumps(line).encode() + b"\n")
    assert process.returncode == 0


async def said(core: RunningCore, session_id: str) -> list[tuple[TurnKind, str, list[str]]]:
    """Kind, prompt and texts of every turn, oldest first."""
    page = await core.do(c.ReadTurns(session_id=session_id))
    return [
        (view.turn.kind, view.turn.prompt, [block.text for block in view.contents if isinstance(block, Text)])
        for view in reversed(page.turns)
    ]


async def hand_over_and_take_back(core: RunningCore, binary: Path, environment: dict[str, str]) -> None:
    session = await core.session()
    await core.ask(session, "demo:text one")
    handover = await core.do(c.HandOver(session_id=session.id))
    assert session.snapshot.lifecycle is Lifecycle.PARKED
    await in_terminal(handover.command, binary, "demo:text two", environment)
    await in_terminal(handover.command, binary, "demo:text three", environment)
    await core.ask(session, "demo:text four")
    turns = await said(core, session.id)
    assert [(kind, prompt) for kind, prompt, _ in turns] == [
        (TurnKind.PROMPT, "demo:text one"),
        (TurnKind.ELSEWHERE, "demo:text two"),
        (TurnKind.ELSEWHERE, "demo:text three"),
        (TurnKind.PROMPT, "demo:text four"),
    ]
    elsewhere = [texts for kind, _, texts in turns if kind is TurnKind.ELSEWHERE]
    assert all(elsewhere)
    await session.park("test")
    await core.ask(session, "demo:text five")
    assert len(await said(core, session.id)) == 5


async def test_what_was_said_in_a_terminal_is_there_once_after_taking_back(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(core.claude)}
        await hand_over_and_take_back(core, install_scripted_cli(tmp_path), environment)


async def test_a_session_that_was_parked_long_ago_is_handed_over_as_well(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(core.claude)}
        session = await core.session()
        await core.ask(session, "demo:text one")
        await session.park("nothing happened for a while")
        handover = await core.do(c.HandOver(session_id=session.id))
        await in_terminal(handover.command, install_scripted_cli(tmp_path), "demo:text two", environment)
        await core.ask(session, "demo:text three")
        prompts = [prompt for _, prompt, _ in await said(core, session.id)]
        assert prompts == ["demo:text one", "demo:text two", "demo:text three"]


async def test_two_prompts_at_once_after_a_terminal_find_what_was_said_there_once(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(core.claude)}
        session = await core.session()
        await core.ask(session, "demo:text one")
        handover = await core.do(c.HandOver(session_id=session.id))
        await in_terminal(handover.command, install_scripted_cli(tmp_path), "demo:text two", environment)
        await asyncio.gather(core.say(session, "demo:text three"), core.say(session, "demo:text four"))
        await idle(session)
        prompts = [prompt for _, prompt, _ in await said(core, session.id)]
        assert prompts == ["demo:text one", "demo:text two", "demo:text three", "demo:text four"]


@pytest.mark.real_cli
@pytest.mark.timeout(180)
async def test_the_real_cli_is_handed_over_and_taken_back(tmp_path: Path) -> None:
    async with DemoModel() as demo:
        home = make_cli_home(tmp_path, demo.base_url)
        parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
        async with running_core(tmp_path / "core", parts) as core:
            await hand_over_and_take_back(core, home.binary, dict(home.environment))


async def test_it_is_handed_over_only_with_a_conversation_and_when_nothing_runs(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        with pytest.raises(IllegalMove):
            await core.do(c.HandOver(session_id=session.id))
        await core.say(session, "demo:gate g")
        await reached(session, lambda snapshot: snapshot.running is not None)
        with pytest.raises(IllegalMove):
            await core.do(c.HandOver(session_id=session.id))
        assert session.snapshot.lifecycle is Lifecycle.LIVE


async def test_a_second_process_on_the_conversation_is_said_and_not_joined(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session = await core.session()
        await core.ask(session, "demo:text one")
        await session.park("test")
        start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        entry = {"pid": os.getpid(), "sessionId": session.snapshot.conversation_id, "procStart": start}
        register = core.claude / "sessions" / f"{os.getpid()}.json"
        register.parent.mkdir(exist_ok=True)
        register.write_text(json.dumps(entry))
        turn_id = await core.say(session, "demo:text two")
        failed = await reached(session, lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)
        assert str(os.getpid()) in failed.reason
        assert "open in another Claude" in failed.reason
        register.unlink()
        await core.ask(session, "demo:text three")
        assert await core.status(turn_id) == "done"


async def test_a_conversation_begun_outside_is_listed_and_adopted_once(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        project = tmp_path / "core" / "workspaces" / "project"
        project.mkdir(parents=True)
        conversation = "11111111-1111-4111-8111-111111111111"
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(core.claude)}
        binary = install_scripted_cli(tmp_path)
        line = {"type": "user", "message": {"role": "user", "content": "demo:text outside"}}
        process = await asyncio.create_subprocess_exec(
            *(str(binary), "-p", "--input-format", "stream-json", "--output-format", "stream-json"),
            *("--session-id", conversation),
            cwd=project,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        await process.communicate(json.dumps(line).encode() + b"\n")
        found = await core.do(c.ListConversations())
        assert [(one.conversation_id, one.directory_name) for one in found.conversations] == [
            (conversation, "project")
        ]
        info = await core.do(c.AdoptConversation(channel_id="c", conversation_id=conversation))
        assert [prompt for _, prompt, _ in await said(core, info.id)] == ["demo:text outside"]
        assert (await core.do(c.ListConversations())).conversations == ()
        with pytest.raises(SessionNotFound):
            await core.do(c.AdoptConversation(channel_id="c", conversation_id=conversation))
        session = await core.manager.get_session(info.id)
        await core.ask(session, "demo:text inside")
        assert session.snapshot.conversation_id == conversation
        assert [prompt for _, prompt, _ in await said(core, info.id)] == [
            "demo:text outside",
            "demo:text inside",
        ]


async def test_a_conversation_outside_the_workspace_is_not_adopted(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        conversation = "11111111-1111-4111-8111-111111111111"
        directory = core.claude / "projects" / "elsewhere"
        directory.mkdir(parents=True)
        row = {"type": "user", "uuid": conversation, "cwd": "/", "message": {"role": "user", "content": "hi"}}
        (directory / f"{conversation}.jsonl").write_text(json.dumps(row) + "\n")
        (core.directory / "workspaces").mkdir(exist_ok=True)
        with pytest.raises(WorkDirectoryRefused):
            await core.do(c.AdoptConversation(channel_id="c", conversation_id=conversation))
        assert (await core.do(c.QuerySessions())).sessions == ()
