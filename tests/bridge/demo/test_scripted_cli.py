"""The scripted CLI prints what the real one prints, in the same order; and its faults are what they say.

One dialogue runs against both; the sequences of line kinds must be equal. Where two lines come from two
tasks of the real CLI their order is a race, so they are compared without them or as a set.
"""

import signal
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from pathlib import Path

import pytest

from bridge.demo.model import DemoModel
from tests.fakes.cli_home import CliHome, Line, StreamCli, is_type, make_cli_home, scripted_command

pytestmark = pytest.mark.timeout(180)

SESSION = "00000000-0000-4000-a000-000000000001"
FORK = "00000000-0000-4000-a000-000000000002"
Dialogue = Callable[[StreamCli], Awaitable[None]]


def kind(line: Line) -> str:
    """Return the kind of a line, as far as a reader must tell."""
    match line["type"]:
        case "system":
            facts = [
                line["subtype"],
                line.get("state"),
                line.get("status") if line["subtype"] == "status" else None,
            ]
        case "stream_event":
            facts = [line["event"]["type"]]
        case "command_lifecycle":
            facts = [line["state"]]
        case "assistant":
            facts = [line["message"]["content"][0]["type"], line.get("error")]
        case "user":
            content = line["message"]["content"]
            facts = [
                "echo" if line.get("isReplay") else content[0]["type"] if isinstance(content, list) else "text"
            ]
        case "control_response":
            facts = [
                line["response"]["subtype"],
                *sorted(set(line["response"]) & {"error_code", "pending_permission_requests"}),
            ]
        case "control_request":
            facts = [line["request"]["subtype"], line["request"]["tool_name"]]
        case "result":
            facts = [
                line["subtype"],
                line["terminal_reason"],
                f"error={line['is_error']}",
                f"asked={'user_message_uuids' in line}",
            ]
        case _:
            facts = []
    return " ".join([line["type"], *(str(fact) for fact in facts if fact is not None)])


# Said whenever the real CLI's own bookkeeping likes, or by one of two tasks that race.
_UNORDERED = (
    "system background_tasks_changed",
    "system thinking_tokens",
    "system task_progress",
    "stream_event message_stop",
    "stream_event message_delta",
    "stream_event content_block_stop",
)


_DELTA = "stream_event content_block_delta"


def kinds(lines: Sequence[Line]) -> list[str]:
    """The kinds in order, a run of equal ones once, and of a block that grows the first delta only.

    What is said while it grows comes between any two of them, as the clock has it.
    """
    found: list[str] = []
    grows = False
    for name in (kind(line) for line in lines):
        if name in _UNORDERED or (name == _DELTA and grows):
            continue
        grows = name == _DELTA or (grows and name != "stream_event content_block_start")
        found.append(name)
    return [name for name, _ in groupby(found)]


async def plain_turns(cli: StreamCli) -> None:
    await cli.control("initialize")
    await cli.turn("demo:text one two")
    await cli.turn("demo:thinking hmm demo:text three demo:block demo:text four")
    await cli.turn("demo:long 20 demo:unicode")


async def tools_and_asks(cli: StreamCli) -> None:
    await cli.turn("demo:bash echo hello demo:text done")
    await cli.send_prompt("demo:bash touch made demo:text touched")
    ask = await cli.ask()
    again = await cli.control("initialize")
    assert [pending["request_id"] for pending in again["pending_permission_requests"]] == [ask["request_id"]]
    await cli.answer(ask)
    await cli.idle()
    await cli.send_prompt("demo:write a.txt hello")
    await cli.answer(await cli.ask(), {"behavior": "deny", "message": "no"})
    await cli.idle()
    await cli.send_prompt("demo:ask-question Which?")
    await cli.answer(await cli.ask())
    await cli.idle()
    await cli.send_prompt("demo:bash touch more")
    await cli.answer(await cli.ask(), {"behavior": "deny", "message": "stop", "interrupt": True})
    await cli.idle()


async def controls(cli: StreamCli) -> None:
    first = await cli.send_prompt("demo:text one")
    await cli.idle()
    last = await cli.send_prompt("demo:text two")
    await cli.idle()
    assert (await cli.control("interrupt"))["response"] == {"still_queued": []}
    assert (await cli.control("nonsense"))["error_code"] == "unsupported_request"
    await cli.control("set_permission_mode", mode="acceptEdits")
    await cli.control("get_context_usage", detail="summary")
    for target, newest, reason in [
        (first, first, "unseen_later_turn"),
        (last, last, None),
        (last, last, "target_not_found"),
    ]:
        answer = await cli.control(
            "rewind_conversation", target_message_uuid=target, last_seen_user_message_uuid=newest
        )
        assert answer["response"].get("reason") == reason
        assert answer["response"]["rewound"] is (reason is None)
    assert (await cli.control("cancel_async_message", message_uuid=last))["response"] == {"cancelled": False}
    await cli.send_prompt("demo:text one", prompt_uuid=first)
    await cli.idle()
    await cli.control("set_model", model="haiku")
    await cli.turn("demo:error 400")
    await cli.control("end_session")
    await cli.exit_code()


async def interruption_and_queue(cli: StreamCli) -> None:
    runs = await cli.send_prompt("demo:slow 20 demo:long 100000")
    await cli.line(lambda line: "DEMO line 3" in str(line.get("event", {}).get("delta")))
    await cli.send_prompt("demo:slow 20 demo:long 100000", prompt_uuid=runs)
    await cli.line(lambda line: line.get("isReplay") is True)
    queued = await cli.send_prompt("demo:text queued", priority="later")
    dropped = await cli.send_prompt("demo:text dropped", priority="later")
    await cli.line(lambda line: line.get("command_uuid") == dropped)
    assert (await cli.control("cancel_async_message", message_uuid=dropped))["response"]["cancelled"] is True
    assert (await cli.control("interrupt"))["response"]["still_queued"] == [queued]
    await cli.idle()
    await cli.send_prompt("demo:bash touch never")
    await cli.ask()
    await cli.control("interrupt")
    await cli.idle()


async def errors(cli: StreamCli) -> None:
    await cli.turn("demo:error 529 times=1 demo:text fine")
    await cli.turn("demo:error 500")


DIALOGUES: list[Dialogue] = [plain_turns, tools_and_asks, controls, interruption_and_queue, errors]


@pytest.mark.real_cli
@pytest.mark.parametrize("dialogue", DIALOGUES)
async def test_scripted_cli_says_what_the_real_one_says(
    demo: DemoModel, tmp_path: Path, dialogue: Dialogue
) -> None:
    said = []
    for name in ("real", "scripted"):
        home = make_cli_home(tmp_path / name, demo.base_url, CLAUDE_CODE_MAX_RETRIES="1")
        argv = [home.binary] if name == "real" else scripted_command()
        async with StreamCli(home, argv=argv) as cli:
            await dialogue(cli)
        said.append([*kinds(cli.lines), f"exit {cli.process.returncode}"])
    assert said[1] == said[0]


# --- the scripted CLI alone -----------------------------------------------------------------------------


@pytest.fixture
def scripted(tmp_path: Path) -> CliHome:
    return make_cli_home(tmp_path, "http://127.0.0.1:9", CLAUDE_CODE_MAX_RETRIES="1")


def start(home: CliHome, *flags: str) -> StreamCli:
    return StreamCli(home, *flags, argv=scripted_command())


def results(cli: StreamCli) -> list[Line]:
    return [line for line in cli.lines if line["type"] == "result"]


async def test_prompt_that_was_done_is_dropped_and_one_that_was_cut_runs_after_sigkill(
    scripted: CliHome,
) -> None:
    async with start(scripted, "--session-id", SESSION) as cli:
        done = await cli.send_prompt("demo:text done")
        await cli.idle()
        cut = await cli.send_prompt("demo:text cut demo:gate g demo:text whole")
        await cli.line(lambda line: "cut" in str(line.get("event", {}).get("delta")))
        cli.process.kill()
        await cli.exit_code()
    (scripted.config / "gates").mkdir(exist_ok=True)
    (scripted.config / "gates" / "g").touch()
    async with start(scripted, "--resume", SESSION) as cli:
        await cli.send_prompt("demo:text done", prompt_uuid=done)
        await cli.line(lambda line: line.get("command_uuid") == done and line["state"] == "completed")
        assert results(cli) == []
        await cli.send_prompt("demo:text cut demo:gate g demo:text whole", prompt_uuid=cut)
        assert (await cli.line(is_type("result")))["result"] == "DEMO: cut\n\nwhole"


async def test_cut_turn_goes_on_by_itself_and_a_repeat_of_its_prompt_adds_nothing(scripted: CliHome) -> None:
    async with start(scripted, "--session-id", SESSION) as cli:
        cut = await cli.send_prompt("demo:text cut demo:gate g")
        await cli.line(lambda line: "cut" in str(line.get("event", {}).get("delta")))
        cli.process.kill()
        await cli.exit_code()
    (scripted.config / "gates").mkdir(exist_ok=True)
    (scripted.config / "gates" / "g").touch()
    home = make_cli_home(scripted.home.parent, "http://127.0.0.1:9", CLAUDE_CODE_RESUME_INTERRUPTED_TURN="1")
    async with start(home, "--resume", SESSION) as cli:
        await cli.send_prompt("demo:text cut demo:gate g", prompt_uuid=cut)
        await cli.line(lambda line: line.get("command_uuid") == cut and line["state"] == "completed")
        await cli.close()
    assert [line["user_message_uuids"] for line in results(cli)] == [[cut]]


async def test_fork_keeps_the_parent_and_knows_its_prompts(scripted: CliHome) -> None:
    async with start(scripted, "--session-id", SESSION) as cli:
        first = await cli.send_prompt("demo:text one")
        await cli.idle()
        await cli.close()
    end = next(line["uuid"] for line in cli.lines if line["type"] == "assistant")
    flags = ("--resume", SESSION, "--fork-session", "--session-id", FORK, "--resume-session-at", end)
    async with start(scripted, *flags) as cli:
        await cli.send_prompt("demo:text one", prompt_uuid=first)
        await cli.idle()
        lines = await cli.turn("demo:text two")
        assert {line["session_id"] for line in lines if "session_id" in line} == {FORK}
        assert len(results(cli)) == 1


@pytest.mark.parametrize(
    ("flags", "line", "sentence"),
    [
        (["--resume", "00000000-0000-4000-a000-000000000009"], b"", b"No conversation found with session ID"),
        ([], b"rubbish\n", b"SyntaxError"),
        ([], b'{"type":"user"}\n', b"Expected message role 'user'"),
    ],
)
@pytest.mark.parametrize("program", ["real", "scripted"])
async def test_bad_start_or_line_ends_it_with_code_1(
    scripted: CliHome, flags: list[str], line: bytes, sentence: bytes, program: str
) -> None:
    argv = [scripted.binary] if program == "real" else scripted_command()
    async with StreamCli(scripted, *flags, argv=argv) as cli:
        if line:
            await cli.send(line)
        assert await cli.exit_code() == 1
    assert sentence in cli.stderr


async def test_background_command_starts_a_turn_that_nobody_asked_for(scripted: CliHome) -> None:
    async with start(scripted) as cli:
        await cli.turn("demo:background until [ -e go ]; do sleep 0.05; done demo:text started")
        (scripted.work / "go").touch()
        second = await cli.line(is_type("result"))
        assert "user_message_uuids" not in second
        assert "completed" in second["result"]


@pytest.mark.parametrize(
    ("prompt", "code"),
    [("cli:exit 3", 3), ("cli:crash", -signal.SIGKILL), ("demo:text a cli:torn", -signal.SIGKILL)],
)
async def test_fault_ends_the_process_as_it_says(scripted: CliHome, prompt: str, code: int) -> None:
    async with start(scripted) as cli:
        await cli.send_prompt(prompt)
        assert await cli.exit_code() == code


@pytest.mark.parametrize(
    ("number", "prompt", "code"),
    [
        (signal.SIGTERM, "demo:gate never", 143),
        (signal.SIGHUP, "demo:gate never", 129),
        (signal.SIGINT, "demo:gate never", 0),
    ],
)
async def test_signal_ends_it_like_the_real_one(
    scripted: CliHome, number: signal.Signals, prompt: str, code: int
) -> None:
    async with start(scripted) as cli:
        await cli.send_prompt(prompt)
        await cli.line(lambda line: line.get("event", {}).get("type") == "message_start")
        cli.process.send_signal(number)
        assert await cli.exit_code() == code
    assert len(results(cli)) == (number == signal.SIGINT)


async def test_sigterm_is_survived_when_the_script_says_so(scripted: CliHome) -> None:
    async with start(scripted) as cli:
        await cli.turn("cli:ignore-term demo:text deaf")
        cli.process.send_signal(signal.SIGTERM)
        assert (await cli.turn("demo:text alive"))[-1]["state"] == "idle"


async def test_rubbish_leaves_the_turn_whole(scripted: CliHome) -> None:
    async with start(scripted) as cli:
        lines = await cli.turn("demo:text before cli:rubbish demo:text after")
    assert any(line["type"] == "not-json" for line in lines)
    assert any(line["type"] == "never_heard_of" for line in lines)
    assert results(cli)[0]["result"] == "DEMO: before\n\nafter"


async def test_each_start_takes_one_fault_off_the_list(scripted: CliHome) -> None:
    (scripted.config / "scripted-start").write_text("exit 4\nexit 5\n")
    for code in (4, 5):
        async with start(scripted) as cli:
            assert await cli.exit_code() == code
    async with start(scripted) as cli:
        assert (await cli.control("initialize"))["subtype"] == "success"


async def test_usage_limit_is_told_before_the_failed_result(scripted: CliHome) -> None:
    async with start(scripted) as cli:
        lines = await cli.turn("cli:usage-limit")
    told = [line["type"] for line in lines if line["type"] in ("rate_limit_event", "result")]
    assert told == ["rate_limit_event", "result"]
    assert results(cli)[0]["api_error_status"] == 429
