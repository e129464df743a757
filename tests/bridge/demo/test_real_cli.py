"""The real CLI against the demo model: what the demo promises holds where it matters."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from bridge.demo.model import DemoModel
from tests.fakes.cli_home import CliHome, Line, StreamCli, is_state, is_type

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(180)]


def said(lines: Sequence[Line]) -> str:
    """The text blocks of the main thread's assistant lines."""
    return "\n".join(_texts(lines))


def _texts(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        if line["type"] == "assistant" and line.get("parent_tool_use_id") is None:
            yield from (block["text"] for block in line["message"]["content"] if block["type"] == "text")


def result(lines: Sequence[Line]) -> Line:
    return next(line for line in lines if line["type"] == "result")


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("hello there", ["DEMO", "hello there", "demo:bash"]),
        ("demo:text one two", ["DEMO: one two"]),
        ("demo:long 30", ["DEMO line 1 of 30", "DEMO line 30 of 30"]),
        ("demo:thinking hmm demo:table", ["DEMO: a table", "| ask |"]),
        ("demo:code", ["```python"]),
        ("demo:bash echo one; echo two demo:text ok", ["Bash answered: one\ntwo", "ok"]),
        ("demo:bash false", ["DEMO: Bash failed"]),
        ("demo:subagent {demo:bash echo inner demo:text sub} demo:text main", ["sub", "main"]),
        ("demo:todo", ["DEMO", "go on"]),
        ("demo:bash echo a demo:and demo:bash echo b", ["Bash answered: a", "Bash answered: b"]),
        ("demo:nonsense", ["DEMO: demo:nonsense is no directive"]),
    ],
)
async def test_prompt_gets_the_answer_that_it_scripts(cli_home: CliHome, prompt: str, parts: list[str]) -> None:
    async with StreamCli(cli_home) as cli:
        lines = await cli.turn(prompt)
    text = said(lines)
    assert [part for part in parts if part not in text] == []
    assert result(lines)["is_error"] is False
    assert result(lines)["total_cost_usd"] > 0


async def test_asks_are_answered_and_the_turn_mentions_what_came_of_them(cli_home: CliHome) -> None:
    async with StreamCli(cli_home) as cli:
        await cli.send_prompt("demo:write a.txt {one\ntwo} demo:edit a.txt {one} {uno} demo:text written")
        await cli.answer(await cli.ask())
        await cli.answer(await cli.ask())
        await cli.idle()
        assert (cli_home.work / "a.txt").read_text() == "uno\ntwo"

        await cli.send_prompt("demo:ask-question Left or right?")
        ask = await cli.ask()
        chosen = {**ask["request"]["input"], "answers": {"Left or right?": "Right"}}
        await cli.answer(ask, {"behavior": "allow", "updatedInput": chosen})
        await cli.idle()
        assert "Right" in said(cli.lines[-8:])

        await cli.send_prompt("demo:plan Turn left first. demo:text planned")
        plan = await cli.ask()
        assert plan["request"]["tool_name"] == "ExitPlanMode"
        assert "Turn left first." in plan["request"]["input"]["plan"]
        await cli.answer(plan)
        await cli.idle()
        assert "planned" in said(cli.lines[-8:])

        await cli.send_prompt("demo:bash touch made")
        await cli.answer(await cli.ask(), {"behavior": "deny", "message": "not today"})
        await cli.idle()
        assert "Bash failed: not today" in said(cli.lines[-8:])


@pytest.mark.parametrize(
    ("fault", "status"),
    [("401", 401), ("429 after=0", 429), ("500", 500), ("529", 529), ("drop", None)],
)
async def test_error_is_retried_and_then_the_answer_comes_whole(
    cli_home: CliHome, fault: str, status: int | None
) -> None:
    async with StreamCli(cli_home) as cli:
        lines = await cli.turn(f"demo:text before demo:error {fault} times=1 demo:text after")
    retries = [line for line in lines if line.get("subtype") == "api_retry"]
    assert [retry["error_status"] for retry in retries] == [status]
    assert said(lines) == "DEMO: before\n\nafter"


async def test_sse_error_after_a_whole_block_goes_on_where_it_broke(cli_home: CliHome) -> None:
    async with StreamCli(cli_home) as cli:
        lines = await cli.turn("demo:text one demo:block demo:text two demo:error sse-error demo:text three")
    assert said(lines).count("one") == 1
    assert said(lines).endswith("DEMO: three")


async def test_error_without_times_lasts_until_the_cli_gives_up(demo: DemoModel, cli_home: CliHome) -> None:
    home = CliHome(
        cli_home.binary, cli_home.home, cli_home.work, {**cli_home.environment, "CLAUDE_CODE_MAX_RETRIES": "1"}
    )
    async with StreamCli(home) as cli:
        lines = await cli.turn("demo:error 529")
        assert result(lines)["is_error"] is True
        assert result(await cli.turn("demo:text again"))["result"] == "DEMO: again"


async def test_gate_holds_the_stream_until_it_is_released(demo: DemoModel, cli_home: CliHome) -> None:
    async with StreamCli(cli_home) as cli:
        await cli.send_prompt("demo:text first demo:gate middle demo:text second")
        async with asyncio.timeout(60):
            await demo.reached("middle")
        await cli.line(lambda line: "first" in str(line.get("event", {}).get("delta")))
        assert not any(line["type"] == "assistant" for line in cli.lines)
        demo.release("middle")
        await cli.idle()
        assert said(cli.lines) == "DEMO: first\n\nsecond"


async def test_prompt_after_an_interrupted_turn_runs_its_own_script(demo: DemoModel, cli_home: CliHome) -> None:
    async with StreamCli(cli_home) as cli:
        await cli.send_prompt("demo:text cut here demo:gate never")
        async with asyncio.timeout(60):
            await demo.reached("never")
        await cli.control("interrupt")
        await cli.idle()
        assert result(await cli.turn("demo:text fresh"))["result"] == "DEMO: fresh"

        await cli.send_prompt("demo:bash sleep 600 demo:text unreached")
        await cli.line(is_type("assistant"))
        await cli.control("interrupt")
        await cli.line(is_state("idle"))
        assert result(await cli.turn("demo:text fresh again"))["result"] == "DEMO: fresh again"


async def test_finished_background_command_gets_an_answer_of_its_own(cli_home: CliHome) -> None:
    async with StreamCli(cli_home) as cli:
        await cli.send_prompt(
            f"demo:background until [ -e {cli_home.work}/go ]; do sleep 0.1; done demo:text started"
        )
        await cli.line(is_type("result"))
        (cli_home.work / "go").touch()
        second = await cli.line(is_type("result"))
        assert "background work has ended" in second["result"]
        assert "user_message_uuids" not in second


async def test_compaction_is_summarized_at_the_first_try(demo: DemoModel, cli_home: CliHome) -> None:
    async with StreamCli(cli_home) as cli:
        await cli.turn("demo:text something to remember")
        before = len(demo.requests)
        lines = await cli.turn("/compact", client_composed=False)
        assert any(line.get("subtype") == "compact_boundary" for line in lines)
        assert len(demo.requests) == before + 1
        assert result(await cli.turn("demo:text onward"))["result"] == "DEMO: onward"


async def test_unicode_and_megabytes_come_through_in_one_line(cli_home: CliHome) -> None:
    async with StreamCli(cli_home) as cli:
        text = said(await cli.turn("demo:unicode"))
        assert "before\u2028after\u2029end" in text
        assert "smile 😀 whole" in text
        lines = await cli.turn("demo:big 8")
        assert max(len(said([line])) for line in lines) > 8_000_000
