"""The real CLI's conversations are resumed, cut, forked and continued."""

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.demo.model import DemoModel
from sessions.claude import control
from sessions.claude.launch import (
    Fork,
    Fresh,
    Resume,
    Start,
)
from sessions.claude.lines import (
    AssistantBlocks,
    Initialized,
    PromptLifecycle,
    TurnResult,
    UserMessage,
)
from sessions.claude.registry import open_conversations
from sessions.claude.transcript import Remains, find_transcript, remains
from sessions.claude.transcript_rows import rows
from tests.fakes.cli_home import CliHome
from tests.sessions.claude.real_cli_talk import Talk, home, new_id, ours

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["home"]

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]


async def test_conversations_are_resumed_cut_and_forked(cli_home: CliHome) -> None:
    parent, child = new_id(), new_id()
    async with Talk(ours(cli_home, Fresh(parent)), Fresh(parent)) as cli:
        await cli.prompt("demo:text one")
        last = [line for line in cli.parsed() if isinstance(line, AssistantBlocks)][-1].uuid
        second = await cli.prompt("demo:text two")
        opened = open_conversations(cli_home.config)
        assert [(entry.pid, entry.conversation_id) for entry in opened] == [(cli.process.pid, parent)]
    assert open_conversations(cli_home.config) == []

    starts: Mapping[str, Start] = {parent: Resume(parent), child: Fork(parent, child, at=last)}
    for conversation, start in starts.items():
        async with Talk(ours(cli_home, start), start) as cli:
            await cli.prompt("demo:text three")
            init = next(line for line in cli.parsed() if isinstance(line, Initialized))
            assert init.conversation_id == conversation
            assert init.permission_mode == "default"

    def prompts(conversation: str) -> list[str]:
        found = rows(find_transcript(cli_home.config, conversation, cli_home.work))
        return [row.line.text for row in found if isinstance(row.line, UserMessage)]

    assert prompts(parent) == ["demo:text one", "demo:text two", "demo:text three"]
    assert prompts(child) == ["demo:text one", "demo:text three"]
    async with Talk(ours(cli_home, Resume(parent)), Resume(parent)) as cli:
        await cli.send(control.user_message(second, "demo:text two"))
        await cli.expect(lambda line: line == PromptLifecycle(second, "completed"))
        assert [line for line in cli.parsed() if isinstance(line, TurnResult)] == []


async def test_a_turn_that_was_cut_goes_on_when_asked(cli_home: CliHome, demo: DemoModel) -> None:
    conversation, prompt = new_id(), new_id()
    async with Talk(ours(cli_home, Fresh(conversation)), Fresh(conversation)) as cli:
        await cli.send(control.user_message(prompt, "demo:text begun demo:gate cut demo:text ended"))
        await demo.reached("cut")
        # The CLI tells nobody when it has saved a prompt.
        async with asyncio.timeout(60):
            while remains(cli_home.config, conversation, cli_home.work) is not Remains.MESSAGES:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    demo.release("cut")
    start = Resume(conversation, continue_turn=True)
    async with Talk(ours(cli_home, start), start) as cli:
        await cli.send(control.initialize("i"))
        result = await cli.expect(lambda line: isinstance(line, TurnResult))
        assert isinstance(result, TurnResult)
        assert result.prompt_uuids == (prompt,)
        assert "ended" in result.text


async def test_a_rewound_answer_is_gone_from_the_transcript_too(home: CliHome) -> None:
    config = Path(home.environment["CLAUDE_CONFIG_DIR"])
    async with Talk(home, Fresh(conversation := new_id())) as cli:
        await cli.prompt("demo:text kept")
        dropped = await cli.prompt("demo:text dropped")
        await cli.done("r", control.rewind_conversation("r", target_uuid=dropped, last_user_uuid=dropped))
        await cli.done("e", control.end_session("e"))
        assert await cli.exit_code() == 0
    lines = [row.line for row in rows(find_transcript(config, conversation, home.work))]
    assert [line.text for line in lines if isinstance(line, UserMessage)] == ["demo:text kept"]
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("named", "left", "resumes", "begins"),
    [(False, Remains.NOTHING, False, True), (True, Remains.NO_MESSAGES, False, False)],
)
async def test_a_conversation_without_messages_cannot_be_resumed(
    cli_home: CliHome, named: bool, left: Remains, resumes: bool, begins: bool
) -> None:
    conversation = new_id()
    home = ours(cli_home, Fresh(conversation))
    if named:
        # What a CLI leaves that was named and then killed just after its first prompt.
        slug = re.sub("[^a-zA-Z0-9]", "-", str(cli_home.work.resolve()))
        path = cli_home.config / "projects" / slug / f"{conversation}.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text(
            json.dumps({"type": "custom-title", "customTitle": "x", "sessionId": conversation}) + "\n"
        )
    assert remains(cli_home.config, conversation, cli_home.work) is left
    assert await _answers(home, Resume(conversation)) == resumes
    assert await _answers(home, Fresh(conversation)) == begins


async def _answers(home: CliHome, start: Start) -> bool:
    """Whether a CLI that was started so answers a prompt without an error."""
    async with Talk(home, start) as cli:
        try:
            await cli.send(control.user_message(new_id(), "demo:text hello"))
            result = await cli.expect(lambda line: isinstance(line, TurnResult))
        except (EOFError, ConnectionError):
            return False
    assert isinstance(result, TurnResult)
    return not result.is_error
