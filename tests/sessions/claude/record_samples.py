"""Record one line of every kind that the real CLI prints, against the demo model on loopback.

Run it by hand after an update of the CLI, and look at the diff: `.venv/bin/python -m
tests.sessions.claude.record_samples`. It takes about a minute. What cannot be recorded without an account is in
`samples/by_hand.ndjson`. Recorded lines are cleaned: paths of this machine go, long texts of the CLI are cut.
"""

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bridge.demo.model import DemoModel
from tests.fakes.cli_home import CliHome, Line, StreamCli, is_state, is_type, make_cli_home

SAMPLES = Path(__file__).parent / "samples"

_KEPT_PER_KIND = 8
_LONG = 100
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)

Scenario = Callable[[DemoModel, CliHome], Awaitable[list[Line]]]


async def answers_and_tools(_demo: DemoModel, home: CliHome) -> list[Line]:
    (home.work / "dot.png").write_bytes(_PIXEL)
    async with StreamCli(home) as cli:
        await cli.control("initialize")
        await cli.turn("demo:thinking a thought demo:text Hello demo:block demo:text again")
        await cli.turn("demo:unicode", priority="later")
        await cli.turn("demo:read dot.png")
        await cli.send_prompt("demo:bash touch one")
        ask = await cli.ask()
        await cli.control("initialize")
        await cli.answer(ask)
        await cli.idle()
        await cli.send_prompt("demo:bash touch two")
        await cli.answer(await cli.ask(), {"behavior": "deny", "message": "not now"})
        await cli.idle()
        await cli.send_prompt("demo:ask-question")
        ask = await cli.ask()
        answers = {question["question"]: "anything" for question in ask["request"]["input"]["questions"]}
        await cli.answer(
            ask, {"behavior": "allow", "updatedInput": {**ask["request"]["input"], "answers": answers}}
        )
        await cli.idle()
        await cli.send_prompt("demo:plan")
        for _ in range(2):
            ask = await cli.line(_asks_or_idles)
            if ask["type"] == "control_request":
                await cli.answer(ask)
        return cli.lines


async def interruptions(demo: DemoModel, home: CliHome) -> list[Line]:
    async with StreamCli(home) as cli:
        await cli.send_prompt("demo:text some words demo:gate middle demo:text more")
        await demo.reached("middle")
        await cli.line(lambda line: line["type"] == "stream_event" and "delta" in line["event"])
        queued = await cli.send_prompt("demo:text never", priority="later")
        await cli.seen(lambda line: line.get("command_uuid") == queued)
        await cli.control("cancel_async_message", message_uuid=queued)
        await cli.control("interrupt")
        await cli.idle()
        await cli.send_prompt("demo:bash touch three")
        await cli.ask()
        await cli.control("interrupt", cancel_queued=True)
        await cli.idle()
        return cli.lines


async def tasks(_demo: DemoModel, home: CliHome) -> list[Line]:
    async with StreamCli(home) as cli:
        await cli.send_prompt("demo:subagent {demo:bash touch four demo:text inner} demo:text outer")
        await cli.answer(await cli.ask())
        await cli.idle()
        await cli.send_prompt("demo:background sleep 1; echo late")
        await cli.line(is_type("result"))
        await cli.line(is_type("result"))
        await cli.idle()
        await cli.send_prompt("demo:bash touch five; python3 -c 'import time; time.sleep(33)'")
        await cli.answer(await cli.ask())
        await cli.idle()
        return cli.lines


async def troubles(_demo: DemoModel, home: CliHome) -> list[Line]:
    async with StreamCli(home) as cli:
        await cli.turn("demo:error 400")
        await cli.turn("demo:error 529 times=1 demo:text after all")
        await cli.turn("demo:text begun demo:error drop times=1 demo:text after all")
        await cli.turn("demo:text begun demo:error sse-error times=1 demo:text after all")
        return cli.lines


async def fallback(_demo: DemoModel, home: CliHome) -> list[Line]:
    async with StreamCli(home, "--fallback-model", "claude-haiku-5-5", "--model", "claude-opus-5-5") as cli:
        await cli.turn("demo:error 529 times=3 demo:text after all")
        return cli.lines


async def commands(_demo: DemoModel, home: CliHome) -> list[Line]:
    async with StreamCli(home) as cli:
        await cli.turn("demo:text something to forget")
        await cli.turn("/context", client_composed=False)
        await cli.turn("/compact", client_composed=False)
        await cli.turn("/clear", client_composed=False)
        await cli.turn("demo:text anew")
        return cli.lines


async def controls(_demo: DemoModel, home: CliHome) -> list[Line]:
    (home.work / "file.txt").write_text("old\n")
    async with StreamCli(home) as cli:
        prompt = await cli.send_prompt("demo:edit file.txt {old} {new}")
        await cli.answer(await cli.ask())
        await cli.idle()
        await cli.control("set_model", model="claude-sonnet-5-5")
        await cli.control("set_permission_mode", mode="dontAsk")
        await cli.turn("demo:bash touch six")
        await cli.control("set_permission_mode", mode="default")
        await cli.control("get_context_usage", detail="summary")
        await cli.control("rename_session", title="a title", source="host")
        await cli.control("rewind_files", user_message_id=prompt, dry_run=True)
        stranger = "00000000-0000-4000-8000-000000000000"
        rewind = {"last_seen_user_message_uuid": stranger}
        await cli.control("rewind_conversation", target_message_uuid=stranger, **rewind)
        last = await cli.send_prompt("demo:text last")
        await cli.idle()
        rewind = {"last_seen_user_message_uuid": last}
        await cli.control("rewind_conversation", target_message_uuid=last, **rewind)
        await cli.control("no_such_request")
        await cli.control("end_session")
        return cli.lines


def _asks_or_idles(line: Line) -> bool:
    return line["type"] == "control_request" or is_state("idle")(line)


async def hooks(_demo: DemoModel, home: CliHome) -> list[Line]:
    ours = {"hooks": [{"type": "command", "command": "echo hooked"}]}
    flags = ("--include-hook-events", "--settings", json.dumps({"hooks": {"UserPromptSubmit": [ours]}}))
    async with StreamCli(home, *flags) as cli:
        matcher = {"matcher": "Bash", "hookCallbackIds": ["h0"]}
        await cli.control("initialize", hooks={"PreToolUse": [matcher]}, sdkMcpServers=["demo"])
        await cli.send_prompt("demo:bash echo hi")
        asks = (await cli.line(_asks_or_idles) for _ in range(20))
        async for line in asks:
            if line["type"] != "control_request":
                break
            message = line["request"].get("message")
            result = {"jsonrpc": "2.0", "id": message.get("id", 0), "result": {}} if message else {}
            await cli.answer(line, {"mcp_response": result} if message else {"continue": True})
        return cli.lines


SCENARIOS: tuple[Scenario, ...] = (
    answers_and_tools,
    interruptions,
    tasks,
    troubles,
    fallback,
    commands,
    controls,
    hooks,
)


@contextmanager
def _directory() -> Iterator[str]:
    # Always the same and telling nothing: streamed tool input cuts paths in pieces that cannot be cleaned.
    directory = Path(tempfile.gettempdir()).resolve() / "demo"
    directory.mkdir()
    try:
        yield str(directory)
    finally:
        shutil.rmtree(directory)


async def record() -> None:
    """Run every scenario and write `recorded.ndjson` and `streams/<scenario>.ndjson`."""
    (SAMPLES / "streams").mkdir(parents=True, exist_ok=True)
    kept: dict[str, dict[str, Line]] = {}
    for scenario in SCENARIOS:
        with _directory() as directory:
            async with DemoModel() as demo:
                variables = {
                    "CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING": "true",
                    "CLAUDE_CODE_MAX_RETRIES": "4",
                    "CLAUDE_CODE_STREAM_EVENT_HOLD_MS": "100",
                }
                home = make_cli_home(Path(directory), demo.base_url, **variables)
                lines = [cleaned(line, directory) for line in await scenario(demo, home)]
        print(f"{scenario.__name__}: {len(lines)} lines")
        write(SAMPLES / "streams" / f"{scenario.__name__}.ndjson", lines)
        for line in lines:
            shapes = kept.setdefault(kind_of(line), {})
            if len(shapes) < _KEPT_PER_KIND:
                shapes.setdefault(shape_of(line), line)
    write(SAMPLES / "recorded.ndjson", (line for kind in sorted(kept) for line in kept[kind].values()))
    print(f"{len(kept)} kinds")


def kind_of(line: Line) -> str:
    """The kind of a line as `facts` and tests name it: `system/init`, `stream_event/message_start` …"""
    match line:
        case {"type": "stream_event", "event": {"type": "content_block_delta", "delta": {"type": inner}}}:
            return f"stream_event/{inner}"
        case {"type": "stream_event", "event": {"type": inner}}:
            return f"stream_event/{inner}"
        case {"type": "control_request", "request": {"subtype": "can_use_tool", "tool_name": name}}:
            return (
                f"control_request/can_use_tool/{name}" if name in _OWN_ASKS else "control_request/can_use_tool"
            )
        case {"type": "control_request", "request": {"subtype": inner}}:
            return f"control_request/{inner}"
        case {"type": "control_response", "response": {"response": {"behavior": behavior}}}:
            return f"control_response/echo/{behavior}"
        case {"type": "control_response", "response": {"response": {"mcp_response": _}}}:
            return "control_response/echo/tool"
        case {"type": "control_response", "response": {"pending_permission_requests": _}}:
            return "control_response/initialize"
        case {"type": "control_response", "response": {"subtype": inner}}:
            return f"control_response/{inner}"
        case {"type": "user", "isReplay": True}:
            return "user/replay"
        case {"type": "user", "message": {"content": [{"type": "tool_result"}, *_]}}:
            return "user/tool_result"
        case {"type": "assistant", "message": {"model": "<synthetic>"}}:
            return "assistant/synthetic"
        case {"type": "assistant", "message": {"content": [{"type": inner}, *_]}}:
            return f"assistant/{inner}"
        case {"type": kind, "subtype": inner}:
            return f"{kind}/{inner}"
        case {"type": "command_lifecycle", "state": inner}:
            return f"command_lifecycle/{inner}"
    return str(line["type"])


_OWN_ASKS = ("AskUserQuestion", "ExitPlanMode")


_TELLING = ("status", "state", "error", "terminal_reason", "compact_result", "local_command")


def shape_of(line: Line) -> str:
    """Lines with the same keys, truth values and telling values are the same sample."""
    facts = {
        key: value if key in _TELLING else bool(value)
        for key, value in line.items()
        if key not in ("uuid", "timestamp")
    }
    inners = (line.get(key) for key in ("request", "response", "message"))
    inner = next((inner for inner in inners if isinstance(inner, dict)), {})
    return json.dumps([facts, sorted(inner), inner.get("subtype")], sort_keys=True)


def cleaned(line: Line, directory: str) -> Line:
    """`line` without paths of this machine, and without texts that are not ours."""
    return {key: _cleaned(key, value, directory) for key, value in line.items()}


_LISTS_CUT = ("commands", "agents", "models", "slash_commands", "skills", "gridRows", "plugins", "tools")


def _cleaned(key: str, value: Any, directory: str) -> Any:
    if isinstance(value, dict):
        return {name: _cleaned(name, item, directory) for name, item in value.items()}
    if isinstance(value, list):
        cut = value[:4] if key in _LISTS_CUT else value
        if key in _LISTS_CUT and value and isinstance(value[0], dict):
            cut = [{**item, "description": "what it does"} if "description" in item else item for item in cut]
        return [_cleaned(key, item, directory) for item in cut]
    if not isinstance(value, str):
        return value
    value = value.replace(directory, "/home/demo").replace(directory.replace("/", "-"), "-home-demo")
    value = re.sub(r"/tmp/cc-socks/\d+", "/run/cc-socks/1", value)
    value = re.sub(r"/tmp/claude-\d+", "/tmp/claude-1000", value)
    value = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8080", value)
    # `data` is an image; the rest that is long is prose of the CLI, of which the beginning says enough.
    return f"{value[:60]}…" if len(value) > _LONG and key != "data" else value


def write(path: Path, lines: Iterable[Line]) -> None:
    # Escaped, so that a lone surrogate and U+2028 stay visible and the file is plain ASCII.
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))


if __name__ == "__main__":
    asyncio.run(record())
