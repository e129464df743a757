"""The real CLI takes every line that we send and every launch line."""

import os
import time
from pathlib import Path

import pytest

from bridge.demo.model import DemoModel
from sessions.claude import answers, control
from sessions.claude.launch import (
    STREAM_HOLD_MS,
    Fresh,
)
from sessions.claude.lines import (
    AssistantBlocks,
    BlockDelta,
    CliLine,
    PermissionAsked,
    PlanAsked,
    PromptLifecycle,
    QuestionAsked,
    StatusChanged,
    TextBlock,
    TurnResult,
    Unrecognized,
)
from sessions.claude.locate import LoggedIn, NotLoggedIn, locate, login_status
from sessions.claude.stream import values_of
from sessions.claude.transcript import find_transcript
from sessions.claude.transcript_rows import rows
from sessions.content import ask_body
from sessions.model import AllowSession, PermissionBody, RuleKind
from sessions.permission_rules import rules_given
from tests.fakes.cli_home import CliHome, is_state
from tests.sessions.claude.real_cli_talk import Talk, home, new_id

__all__ = ["home"]

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]


async def test_permissions_are_given_once_for_the_session_and_refused(home: CliHome) -> None:
    async with Talk(home, Fresh(new_id())) as cli:
        ask = await cli.ask_of("demo:bash touch one")
        assert isinstance(ask, PermissionAsked)
        await cli.send(answers.allow(ask.request_id, ask.input))
        await cli.idle()
        assert (home.work / "one").exists()

        ask = await cli.ask_of("demo:bash touch one")
        assert isinstance(ask, PermissionAsked)
        await cli.send(answers.allow(ask.request_id, ask.input, [ask.suggestions[0].body]))
        await cli.idle()
        before = len([line for line in cli.parsed() if isinstance(line, PermissionAsked)])
        await cli.prompt("demo:bash touch one")
        assert len([line for line in cli.parsed() if isinstance(line, PermissionAsked)]) == before
        assert not (home.work / ".claude" / "settings.local.json").exists()

        ask = await cli.ask_of("demo:bash touch two")
        await cli.send(answers.deny(ask.request_id, "use three instead"))
        await cli.idle()
        assert cli.last_tool_text() == "use three instead"
        assert not (home.work / "two").exists()


async def test_a_rule_that_we_make_covers_the_command_that_was_asked_for(home: CliHome) -> None:
    async with Talk(home, Fresh(new_id())) as cli:
        for command in (
            "touch 'a(b'",
            "touch a; echo b >c",
            "for i in 1 2; do touch $i; done",
            "echo $(touch q)",
            r"touch a\\b",
        ):
            ask = await cli.ask_of(f"demo:bash {command}")
            assert isinstance(ask, PermissionAsked)
            body = ask_body(ask, "")
            given = rules_given(body, AllowSession())
            assert given is not None
            allow = values_of(given.rules, RuleKind.ALLOW)
            assert "Bash" not in allow, "never all commands for one that was allowed"
            await cli.send(answers.allow(ask.request_id, ask.input))
            await cli.send(control.apply_permissions(f"given {command}", allow=allow, directories=[]))
            await cli.idle()
            before = len(asked_permissions(cli))
            await cli.prompt(f"demo:bash {command}")
            assert len(asked_permissions(cli)) == before, command
            await cli.send(control.apply_permissions(f"taken {command}", allow=[], directories=[]))
            again = await cli.ask_of(f"demo:bash {command}")
            assert isinstance(again, PermissionAsked), command
            await cli.send(answers.deny(again.request_id, "enough"))
            await cli.idle()


def asked_permissions(cli: Talk) -> list[CliLine]:
    return [line for line in cli.parsed() if isinstance(line, PermissionAsked)]


async def test_a_file_of_the_project_is_not_outside_although_the_cli_names_it_as_blocked(home: CliHome) -> None:
    async with Talk(home, Fresh(new_id())) as cli:
        for path, is_outside in ((home.work / "a.txt", False), (home.work.parent / "a.txt", True)):
            ask = await cli.ask_of(f"demo:write {path} x")
            assert isinstance(ask, PermissionAsked)
            body = ask_body(ask, str(home.work.resolve()))
            assert isinstance(body, PermissionBody)
            assert body.is_outside is is_outside
            assert (body.place == "a.txt") is not is_outside
            await cli.send(answers.deny(ask.request_id, "no"))
            await cli.idle()


async def test_questions_and_plans_are_answered(home: CliHome) -> None:
    async with Talk(home, Fresh(new_id())) as cli:
        ask = await cli.ask_of("demo:ask-question Which way?")
        assert isinstance(ask, QuestionAsked)
        said = {question.text: "upwards" for question in ask.questions}
        await cli.send(answers.answer_question(ask.request_id, ask.input, said))
        await cli.idle()
        assert "upwards" in cli.last_tool_text()

        ask = await _plan_of(cli)
        await cli.send(answers.revise_plan(ask.request_id, "make it smaller"))
        await cli.idle()
        assert cli.last_tool_text() == "make it smaller"

        ask = await _plan_of(cli)
        assert ask.plan
        await cli.send(answers.approve_plan(ask.request_id, ask.input, accept_edits=True))
        mode = await cli.expect(
            lambda line: isinstance(line, StatusChanged) and line.permission_mode == "acceptEdits"
        )
        assert isinstance(mode, StatusChanged)
        await cli.idle()
        await cli.prompt("demo:write made.txt {by itself}")
        assert (home.work / "made.txt").read_text() == "by itself"


async def _plan_of(cli: Talk) -> PlanAsked:
    """Let Claude enter plan mode and write its plan, up to the plan's own ask."""
    ask = await cli.ask_of("demo:plan")
    while not isinstance(ask, PlanAsked):
        assert isinstance(ask, PermissionAsked)
        await cli.send(answers.allow(ask.request_id, ask.input))
        ask = await cli.asked()
    return ask


async def test_every_control_request_is_taken(demo: DemoModel, home: CliHome) -> None:
    (home.work / "file.txt").write_text("old\n")
    async with Talk(home, Fresh(new_id())) as cli:
        hello = control.initialize_reply(await cli.done("i1", control.initialize("i1")))
        assert hello.pid == cli.process.pid

        await cli.send(control.user_message(edit := new_id(), "demo:edit file.txt {old} {new}"))
        ask = await cli.asked()
        again = control.initialize_reply(await cli.done("i2", control.initialize("i2")))
        assert again.pending_asks == (ask,)
        assert isinstance(ask, PermissionAsked)
        await cli.send(answers.allow(ask.request_id, ask.input))
        await cli.idle()
        files = await cli.done("f1", control.rewind_files("f1", prompt_uuid=edit, dry_run=True))
        assert control.files_outcome(files) == control.FilesRewound((str(home.work / "file.txt"),), 1, 1)
        assert (home.work / "file.txt").read_text() == "new\n"
        await cli.done("f2", control.rewind_files("f2", prompt_uuid=edit, dry_run=False))
        assert (home.work / "file.txt").read_text() == "old\n"

        usage = control.context_usage(await cli.done("u", control.get_context_usage("u")))
        assert 0 < usage.used_tokens < usage.max_tokens
        model = await cli.done("m", control.set_model("m", "claude-sonnet-5-5"))
        assert model.response["model"] == "claude-sonnet-5-5"
        await cli.done("p", control.set_permission_mode("p", "plan"))
        await cli.done("p2", control.set_permission_mode("p2", "manual"))

        last = await cli.prompt("demo:text last")
        rewind = control.rewind_conversation("r1", target_uuid=edit, last_user_uuid=edit)
        refused = control.rewind_outcome(await cli.done("r1", rewind))
        assert isinstance(refused, control.NotRewound)
        assert refused.reason is control.RewindRefusal.UNSEEN_LATER_TURN
        rewind = control.rewind_conversation("r2", target_uuid=last, last_user_uuid=last)
        rewound = control.rewind_outcome(await cli.done("r2", rewind))
        assert isinstance(rewound, control.Rewound)
        assert rewound.prompt_text == "demo:text last"
        refused = control.rewind_outcome(await cli.done("r3", rewind.replace(b'"r2"', b'"r3"')))
        assert isinstance(refused, control.NotRewound)
        assert refused.reason is control.RewindRefusal.TARGET_NOT_FOUND

        await cli.send(control.user_message(new_id(), "demo:text begun demo:gate on demo:text more"))
        await demo.reached("on")
        await cli.expect(lambda line: isinstance(line, BlockDelta))
        await cli.send(control.user_message(queued := new_id(), "demo:text never"))
        await cli.expect(lambda line: line == PromptLifecycle(queued, "queued"))
        assert (await cli.done("c", control.cancel_async_message("c", queued))).response["cancelled"] is True
        await cli.done("s", control.interrupt("s"))
        await cli.idle()
        assert [line for line in cli.parsed() if isinstance(line, AssistantBlocks)][-1].aborted

        await cli.done("e", control.end_session("e"))
        assert await cli.exit_code() == 1, "the last turn was interrupted"
        assert [line for line in cli.parsed() if isinstance(line, Unrecognized)] == []


async def test_a_prompt_is_plain_text_and_a_command_is_one(home: CliHome, demo: DemoModel) -> None:
    secret = home.home / "secret.txt"
    secret.write_text("what nobody may see")
    async with Talk(home, Fresh(conversation := new_id())) as cli:
        await cli.prompt(f"/compact @{secret} demo:text fine")
        assert "what nobody may see" not in str(demo.requests[-1].body)
        await cli.send(control.command_message(new_id(), "clear"))
        await cli.idle()
        await cli.prompt("demo:unicode")
        results = [line for line in cli.parsed() if isinstance(line, TurnResult)]
        assert [result.local_command for result in results] == ["", "clear", ""]
        assert results[0].conversation_id == conversation
        assert results[1].conversation_id == results[2].conversation_id != conversation
        config = Path(home.environment["CLAUDE_CONFIG_DIR"])
        found = list(rows(find_transcript(config, results[2].conversation_id, home.work)))
        assert isinstance(found[-1].line, AssistantBlocks)
        assert found[-1].line.blocks == (TextBlock(results[2].text),)


async def test_the_real_cli_is_located_and_says_who_is_logged_in(cli_home: CliHome) -> None:
    environment = {**cli_home.environment, "PATH": os.defpath}
    cli = await locate(str(cli_home.binary), environment, limit_s=60)
    assert cli.command == (str(cli_home.binary),)
    assert await login_status(cli.command, environment, limit_s=60) == LoggedIn("api_key")
    del environment["ANTHROPIC_API_KEY"]
    assert await login_status(cli.command, environment, limit_s=60) == NotLoggedIn()


async def test_the_first_piece_of_an_answer_is_not_held_back(home: CliHome, demo: DemoModel) -> None:
    async with Talk(home, Fresh(new_id())) as cli:
        await cli.prompt("demo:text warm")
        await cli.send(control.user_message(new_id(), "demo:text begun demo:gate hold demo:text ended"))
        await demo.reached("hold")
        started = time.monotonic()
        # The gate stays closed: what was streamed before it must come out by itself.
        await cli.expect(lambda line: isinstance(line, BlockDelta) and "DEMO" in line.text)
        waited_ms = (time.monotonic() - started) * 1000
        demo.release("hold")
        await cli.idle()
    assert waited_ms < 300 + STREAM_HOLD_MS


async def test_a_line_of_eight_megabytes_comes_whole(home: CliHome) -> None:
    async with Talk(home, Fresh(new_id())) as cli:
        await cli.send(control.user_message(new_id(), "demo:big 8"))
        await cli.line(is_state("idle"))
        text = next(
            block.text
            for line in cli.parsed()
            if isinstance(line, AssistantBlocks)
            for block in line.blocks
            if isinstance(block, TextBlock)
        )
        streamed = "".join(
            line.text for line in cli.parsed() if isinstance(line, BlockDelta) and line.kind == "text"
        )
    assert len(text) >= 8_000_000
    assert streamed == text
