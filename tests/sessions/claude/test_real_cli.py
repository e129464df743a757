"""The real CLI takes every line that we send and every launch line, and keeps what the settings promise."""

import asyncio
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.demo.model import DemoModel
from sessions.claude import answers, control
from sessions.claude.launch import (
    STREAM_HOLD_MS,
    Fork,
    Fresh,
    LaunchLine,
    Resume,
    Start,
    argv,
    child_environment,
)
from sessions.claude.lines import (
    AskLine,
    AssistantBlocks,
    BlockDelta,
    CliLine,
    ControlFailed,
    ControlSucceeded,
    Initialized,
    PermissionAsked,
    PlanAsked,
    PromptLifecycle,
    QuestionAsked,
    StatusChanged,
    TextBlock,
    ToolResults,
    TurnResult,
    Unrecognized,
    UserMessage,
)
from sessions.claude.locate import LoggedIn, NotLoggedIn, locate, login_status
from sessions.claude.parse import parse
from sessions.claude.registry import open_conversations
from sessions.claude.stream import values_of
from sessions.claude.transcript import Remains, find_transcript, remains
from sessions.claude.transcript_rows import rows
from sessions.content import ask_body
from sessions.model import AllowSession, PermissionBody, RuleKind
from sessions.permission_rules import rules_given
from tests.fakes.cli_home import CliHome, Line, StreamCli, is_state

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]

ASKS = (PermissionAsked, QuestionAsked, PlanAsked)


class Talk(StreamCli):
    """A CLI that is started by our launch line and read with our parser."""

    def __init__(
        self,
        home: CliHome,
        start: Start,
        *,
        private: tuple[Path, ...] = (),
        mode: str = "default",
        uploads: Path | None = None,
    ) -> None:
        super().__init__(home)
        line = LaunchLine((str(home.binary),), start, private, permission_mode=mode, uploads=uploads)
        self._argv = list(argv(line))

    def parsed(self) -> list[CliLine]:
        return [_parsed(line) for line in self.lines]

    async def expect(self, matches: Callable[[CliLine], bool]) -> CliLine:
        """The next line whose meaning matches."""
        return _parsed(await self.line(lambda line: matches(_parsed(line))))

    async def asked(self) -> AskLine:
        ask = await self.expect(lambda line: isinstance(line, ASKS))
        assert isinstance(ask, ASKS)
        return ask

    async def ask_of(self, prompt: str) -> AskLine:
        await self.send(control.user_message(str(uuid.uuid4()), prompt))
        return await self.asked()

    async def reply(self, request_id: str, line: bytes) -> ControlSucceeded | ControlFailed:
        await self.send(line)
        found = await self.expect(
            lambda line: isinstance(line, ControlSucceeded | ControlFailed) and line.request_id == request_id
        )
        assert isinstance(found, ControlSucceeded | ControlFailed)
        return found

    async def done(self, request_id: str, line: bytes) -> ControlSucceeded:
        found = await self.reply(request_id, line)
        assert isinstance(found, ControlSucceeded)
        return found

    async def prompt(self, text: str) -> str:
        """Send a prompt, wait for idle, return its uuid."""
        ident = str(uuid.uuid4())
        await self.send(control.user_message(ident, text))
        await self.idle()
        return ident

    def last_tool_text(self) -> str:
        found = [line for line in self.parsed() if isinstance(line, ToolResults)]
        return found[-1].results[-1].text


def _parsed(line: Line) -> CliLine:
    return parse(json.dumps(line).encode())


def ours(home: CliHome, start: Start) -> CliHome:
    """`home` with the environment that a session's CLI would get."""
    return CliHome(home.binary, home.home, home.work, child_environment(home.environment, start=start))


def new_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def home(cli_home: CliHome) -> CliHome:
    return ours(cli_home, Fresh(new_id()))


async def test_permissions_are_given_once_for_the_session_and_refused(home: CliHome) -> None:
    async with Talk(home, Fresh(new_id())) as cli:
        ask = await cli.ask_of("demo:bash touch one")
        assert isinstance(ask, PermissionAsked)
        await cli.send(answers.allow_once(ask))
        await cli.idle()
        assert (home.work / "one").exists()

        ask = await cli.ask_of("demo:bash touch one")
        assert isinstance(ask, PermissionAsked)
        await cli.send(answers.allow_and_remember(ask, ask.suggestions[:1]))
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
            await cli.send(answers.allow_once(ask))
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
        await cli.send(answers.answer_question(ask, {question.text: "upwards" for question in ask.questions}))
        await cli.idle()
        assert "upwards" in cli.last_tool_text()

        ask = await _plan_of(cli)
        await cli.send(answers.revise_plan(ask, "make it smaller"))
        await cli.idle()
        assert cli.last_tool_text() == "make it smaller"

        ask = await _plan_of(cli)
        assert ask.plan
        await cli.send(answers.approve_plan(ask, accept_edits=True))
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
        await cli.send(answers.allow_once(ask))
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
        await cli.send(answers.allow_once(ask))
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


# --- what Claude's tools may not touch ---------------------------------------------------------------------


@pytest.fixture
def private(home: CliHome) -> Path:
    """A private directory, secrets around the work directory, and links to them."""
    data = home.home / "bridge data"
    data.mkdir()
    (home.work / "sub").mkdir()
    for path in (data / "log.txt", home.work / ".env", home.work / "sub" / ".env.local", home.home / ".env"):
        path.write_text("SENTINEL\n")
    (home.work / ".env.example").write_text("EXAMPLE\n")
    (home.work / "link").symlink_to(home.work / ".env")
    (home.work / "door").symlink_to(data)
    return data


def tool(name: str, **given: str) -> str:
    return f"demo:tool {name} {json.dumps(given)}"


async def test_tools_cannot_read_secrets_nor_touch_the_private_directory(home: CliHome, private: Path) -> None:
    work, data = str(home.work), str(private)
    bash = [
        "cat .env",
        f"cat {work}/.env",
        "head -1 sub/.env.local",
        "grep S link",
        "cat < .env",
        "cp .env copy.txt",
        "base64 .env",
        "git diff --no-index /dev/null .env",
        f"cat '{data}/log.txt'",
        "cat door/log.txt",
        f"echo x > '{data}/new.txt'",
        f"cd '{data}' && cat log.txt",
        f"rm '{data}/log.txt'",
        f"ls '{data}'",
    ]
    prompts = [
        tool("Read", file_path=f"{work}/.env"),
        tool("Read", file_path=f"{work}/sub/.env.local"),
        tool("Read", file_path=str(home.home / ".env")),
        tool("Read", file_path=f"{work}/link"),
        tool("Read", file_path=f"{data}/log.txt"),
        tool("Read", file_path=f"{work}/door/log.txt"),
        tool("Write", file_path=f"{data}/new.txt", content="x"),
        tool("Write", file_path=f"{work}/door/new.txt", content="x"),
        tool("Write", file_path=f"{work}/.env", content="x"),
        tool("Edit", file_path=f"{data}/log.txt", old_string="SENTINEL", new_string="x"),
        *(tool("Bash", command=command, description="a test") for command in bash),
    ]
    async with Talk(home, Fresh(new_id()), private=(private,), mode="acceptEdits") as cli:
        for prompt in prompts:
            await cli.prompt(prompt)
            assert "denied" in cli.last_tool_text() or "deny" in cli.last_tool_text(), prompt
        assert [line for line in cli.parsed() if isinstance(line, PermissionAsked)] == []
        assert "SENTINEL" not in str([line for line in cli.parsed() if isinstance(line, ToolResults)])
        await cli.prompt(tool("Read", file_path=f"{work}/.env.example"))
        assert "EXAMPLE" in cli.last_tool_text()
    assert [path.name for path in private.iterdir()] == ["log.txt"]
    assert (private / "log.txt").read_text() == "SENTINEL\n"


async def test_tools_read_the_uploads_of_their_session_and_nothing_else_in_the_private_directory(
    home: CliHome, private: Path
) -> None:
    own, other = new_id(), new_id()
    uploads = private / "run" / own / "uploads"
    files = ("1/a.txt", "2/CLAUDE.md")
    hidden = [
        *(f"run/{own}/{name}" for name in ("1/input.ndjson", "uploadsX/a.txt", "upload", "launch.json", ".x")),
        *(f"run/{name}" for name in ("control.key", "ru", f"{other}/uploads/1/a.txt", f"{other}/1/x", ".k")),
        *("sessions.log", "log.txt", "r", "runs/x", "rux/x", "transcripts/x.jsonl", ".hidden"),
    ]
    for path in [*(uploads / name for name in files), *(private / name for name in hidden)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("SENTINEL\n" if path.is_relative_to(uploads) is False else "UPLOADED\n")
    async with Talk(home, Fresh(new_id()), private=(private,), uploads=uploads) as cli:
        for prompt in (
            *(tool("Read", file_path=str(private / name)) for name in hidden),
            *(tool("Read", file_path=f"{home.work}/door/{name}") for name in hidden),
            tool("Write", file_path=str(uploads / "1/new.txt"), content="x"),
            tool("Edit", file_path=str(uploads / "1/a.txt"), old_string="UPLOADED", new_string="x"),
            tool("Bash", command=f"cat '{private}/sessions.log'", description="a test"),
        ):
            await cli.prompt(prompt)
            assert "denied" in cli.last_tool_text() or "deny" in cli.last_tool_text(), prompt
        await cli.prompt(tool("Read", file_path=str(uploads / "1/a.txt")))
        assert "UPLOADED" in cli.last_tool_text()
        await cli.prompt(tool("Bash", command=f"cat '{uploads}/1/a.txt'", description="a test"))
        assert "UPLOADED" in cli.last_tool_text()
        assert [line for line in cli.parsed() if isinstance(line, PermissionAsked)] == []
        assert "SENTINEL" not in str([line for line in cli.parsed() if isinstance(line, ToolResults)])
    assert (uploads / "1/a.txt").read_text() == "UPLOADED\n"


async def test_what_rules_cannot_stop_is_known(home: CliHome, private: Path) -> None:
    async with Talk(home, Fresh(new_id()), private=(private,)) as cli:
        for command, asks in (
            # Known holes, kept here so that an update of the CLI that closes or widens one is noticed.
            ("cat .en*", False),
            ("grep -r SENTINEL .", False),
            ("python3 -c \"print(open('.env').read())\"", True),
        ):
            await cli.send(control.user_message(new_id(), tool("Bash", command=command, description="a test")))
            line = await cli.expect(lambda line: isinstance(line, PermissionAsked | ToolResults))
            assert isinstance(line, PermissionAsked) == asks, command
            if isinstance(line, PermissionAsked):
                await cli.send(answers.deny(line.request_id, "enough"))
            await cli.idle()


async def test_an_untrusted_project_runs_no_hook_and_no_server(home: CliHome) -> None:
    (home.work / ".claude").mkdir()
    for event, name in (("SessionStart", "hook-ran"), ("UserPromptSubmit", "hook-ran")):
        hook = {"type": "command", "command": f"touch {home.home / name}"}
        settings: dict[str, Any] = {"hooks": {event: [{"hooks": [hook]}]}}
        (home.work / ".claude" / "settings.json").write_text(json.dumps(settings))
    server = {"command": "touch", "args": [str(home.home / "server-ran")]}
    (home.work / ".mcp.json").write_text(json.dumps({"mcpServers": {"evil": server}}))
    async with Talk(home, Fresh(new_id())) as cli:
        await cli.prompt("demo:text hello")
    assert sorted(path.name for path in home.home.iterdir() if path.name.endswith("-ran")) == []


# --- the command itself ------------------------------------------------------------------------------------


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
