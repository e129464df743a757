"""The command line: what is typed becomes one value, and bad usage ends with code 2."""

import re
from pathlib import Path

import pytest

from bridge.cli import parse
from bridge.invocation import Chat, ChatOnce, Doctor, Init, Invocation, Run, ShowStatus, Watch
from bridge.workflow_arguments import Workflow


@pytest.mark.parametrize(
    ("typed", "invocation"),
    [
        ("", Run(demo=False)),
        ("run", Run(demo=False)),
        ("--demo", Run(demo=True)),
        ("run --demo", Run(demo=True)),
        ("--demo run", Run(demo=True)),
        ("chat", Chat()),
        ("--demo chat", Chat(demo=True)),
        ("chat --demo --project p --model m --mode plan", Chat("", True, "p", "m", "plan")),
        ("chat --once hello --session s", ChatOnce("hello", Chat("s"), as_json=False)),
        ("--demo chat --once - --json", ChatOnce("-", Chat(demo=True), as_json=True)),
        ("chat --once caf\udce9 --session s\udce9", ChatOnce("caf\ufffd", Chat("s\ufffd"), as_json=False)),
        ("watch data/run/s/1", Watch(Path("data/run/s/1"))),
        ("watch caf\udce9", Watch(Path("caf\udce9"))),
        ("status", ShowStatus(demo=False, as_json=False)),
        ("--demo status --json", ShowStatus(demo=True, as_json=True)),
        ("workflow list", Workflow("list")),
        ("workflow start add it --rounds 2 --demo", Workflow("start", text="add it", rounds=2, demo=True)),
        ("workflow approve 3f9a --plan d", Workflow("approve", run="3f9a", plan="d")),
        ("init", Init()),
        ("doctor --live", Doctor(as_json=False, only_live=True)),
    ],
)  # fmt: skip
def test_a_command_line_is_read(typed: str, invocation: Invocation) -> None:
    assert parse(typed.split()) == invocation


@pytest.mark.parametrize("typed", ["start", "run now", "chat --json", "chat --mode maybe", "watch", "--nope"])
def test_bad_usage_ends_with_code_2_and_says_how(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(typed.split())
    assert ended.value.code == 2
    assert "usage: claude-bridge" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "usage", "said"),
    [
        (("backup", "create", "extra"), "backup create", "extra"),
        (("run", "--nope"), "run", "--nope"),
        (("workflow", "delete", ""), "workflow delete", "it is empty"),
        (("workflow", "list", "--nope"), "workflow list", "--nope"),
    ],
)
def test_bad_usage_of_a_command_shows_the_usage_of_that_command(
    words: tuple[str, ...], usage: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words)
    shown = capsys.readouterr().err
    assert (ended.value.code, shown.startswith(f"usage: claude-bridge {usage} [-h]"), said in shown) == (
        2,
        True,
        True,
    ), shown


def test_the_version_is_that_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(r"claude-bridge \d+\.\d+\.\d+\n", capsys.readouterr().out)
