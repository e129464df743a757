"""`init` and `doctor` in a person's terminal: what is typed, what is hidden, and what leaving does."""

import shlex
import subprocess
from collections.abc import Callable

import pytest

from tests.e2e.house import House
from tests.e2e.terminal import Terminal

OpenTerminal = Callable[..., Terminal]
pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(180)]


def test_without_discord_three_answers_make_a_private_file(house: House, open_terminal: OpenTerminal) -> None:
    screen = open_terminal("init")
    screen.until("Bot token, or nothing")
    screen.send("")
    screen.until("Where do projects lie")
    screen.send("my projects")
    screen.until("keep its own files")
    screen.send("")
    screen.until(r"Start with: \S*claude-bridge")
    env = house.root / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    assert "WORKSPACE_ROOT='my projects'" in env.read_text()


def test_a_token_is_not_shown_and_ctrl_c_writes_nothing(house: House, open_terminal: OpenTerminal) -> None:
    screen = open_terminal("init")
    screen.until("Bot token, or nothing")
    screen.type("a-secret-token")
    screen.type("", "C-c")
    screen.until("Nothing was written")
    assert "a-secret-token" not in screen.text()
    assert not (house.root / ".env").exists()


def test_doctor_finds_nothing_wrong_in_a_house_that_works(house: House) -> None:
    examined = house.run("doctor")
    assert (examined.returncode, examined.stderr) == (0, ""), examined.stdout
    assert "✓ claude" in examined.stdout
    assert "✗" not in examined.stdout


@pytest.mark.parametrize("command", ["chat", "watch", "status", "init", "doctor"])
def test_help_of_a_command_says_what_it_does(house: House, command: str) -> None:
    shown = house.run(command, "--help")
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) >= 8, shown.stdout


def test_a_reader_who_has_enough_gets_no_traceback(house: House) -> None:
    command = f"{shlex.join(house.command('doctor'))} | true"
    ran = subprocess.run(
        ["/bin/sh", "-c", command], cwd=house.root, env=house.environment, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert ran.stderr == ""
