"""The CLI is found, old and broken ones are told apart, and so is who is logged in. Scripts stand in for it."""

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from sessions.claude.errors import ClaudeError, CliBroken, CliMissing, CliTooOld, NeedsProgram
from sessions.claude.locate import (
    Cli,
    LoggedIn,
    LoginUnknown,
    NotLoggedIn,
    find_command,
    locate,
    login_status,
    typed_name,
)

ENVIRONMENT = {"PATH": os.defpath}


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_configured_command_wins_over_path_and_keeps_its_arguments(tmp_path: Path) -> None:
    program = script(tmp_path / "my claude", "true")
    script(tmp_path / "claude", "true")
    assert find_command(f"'{program}' --flag", {"PATH": str(tmp_path)}) == (program, "--flag")
    assert find_command("claude", {"PATH": str(tmp_path)}) == (str(tmp_path / "claude"),)


def test_a_relative_command_still_works_from_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "claude", "true")
    monkeypatch.chdir(tmp_path)
    assert find_command("./claude", ENVIRONMENT) == (str(tmp_path / "claude"),)


def test_path_wins_over_the_bundled_one(tmp_path: Path) -> None:
    program = script(tmp_path / "claude", "true")
    assert find_command("", {"PATH": str(tmp_path)}) == (program,)


def test_the_installers_place_is_looked_at_where_path_lacks_it(tmp_path: Path) -> None:
    (tmp_path / ".local" / "bin").mkdir(parents=True)
    program = script(tmp_path / ".local" / "bin" / "claude", "true")
    assert find_command("", {"PATH": "/nowhere", "HOME": str(tmp_path)}) == (program,)


def test_the_bundled_one_is_found_when_path_has_none(tmp_path: Path) -> None:
    (program,) = find_command("", {"PATH": str(tmp_path)})
    assert program.endswith("/_bundled/claude")


def test_a_person_is_told_the_shortest_thing_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = script(tmp_path / "claude", "true")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert typed_name((bundled,)) == bundled
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "claude").symlink_to(bundled)
    assert typed_name((bundled,)) == "venv/bin/claude"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert typed_name((bundled,)) == "claude"
    assert typed_name((str(tmp_path / "my wrapper"), "--x")) == f"'{tmp_path}/my wrapper' --x"


@pytest.mark.parametrize("configured", ["/nowhere/claude", "no-such-claude --x", "'unbalanced"])
def test_a_configured_command_that_is_missing_is_named_and_nothing_else_is_taken(configured: str) -> None:
    with pytest.raises(CliMissing) as caught:
        find_command(configured, ENVIRONMENT)
    assert configured.strip("'") in str(caught.value)
    assert caught.value.configured == configured


@pytest.mark.parametrize("said", ["2.1.329 (Claude Code)", "2.2.0", "3.0.0-beta.1 (Claude Code)", "v10.0.0"])
async def test_a_new_enough_cli_is_taken(tmp_path: Path, said: str) -> None:
    program = script(tmp_path / "claude", f"echo '{said}'")
    found = await locate(program, ENVIRONMENT)
    assert found == Cli((program,), said.removeprefix("v").split(" ")[0].split("-")[0])


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("echo '1.0.44 (Claude Code)'", CliTooOld, "1.0.44 is too old"),
        ("echo '2.1.9 (Claude Code)'", CliTooOld, "claude update"),
        ("exit 3", CliBroken, "ended with code 3"),
        ("echo hello", CliBroken, "named no version"),
        ("echo 2.1.329; exit 1", CliBroken, "ended with code 1"),
        ("sleep 1000 & wait", CliBroken, "said nothing for"),
        ("yes", CliBroken, "said nothing for"),
        ("echo 'using node v20.11.1'", CliBroken, "named no version"),
        ("exec no-such-node cli.js", NeedsProgram, "needs no-such-node, and no-such-node is not on the PATH"),
        ("/usr/bin/env no-such-node cli.js", NeedsProgram, "needs no-such-node"),
        ("echo 'proxy 3.0.1'; echo '1.0.44 (Claude Code)'", CliTooOld, "1.0.44 is too old"),
    ],
)
async def test_a_cli_that_cannot_be_used_is_told_in_a_sentence(
    tmp_path: Path, text: str, error: type[ClaudeError], words: str
) -> None:
    program = script(tmp_path / "claude", text)
    with pytest.raises(error, match=words):
        await locate(program, ENVIRONMENT, limit_s=2 if "said nothing" in words else 60)


@pytest.mark.parametrize("interpreter", ["/usr/bin/env no-such-node", "/nowhere/no-such-node --flag"])
async def test_a_script_whose_interpreter_is_missing_says_which(tmp_path: Path, interpreter: str) -> None:
    (tmp_path / "cli.js").write_text(f"#!{interpreter}\nconsole.log('2.1.332 (Claude Code)')\n")
    (tmp_path / "cli.js").chmod(0o755)
    (tmp_path / "claude").symlink_to("cli.js")
    with pytest.raises(NeedsProgram) as caught:
        await locate("", {"PATH": f"{tmp_path}{os.pathsep}{os.defpath}"})
    assert caught.value.program == "no-such-node"


@pytest.mark.parametrize(
    "banner",
    ["Now using node v20.11.1 (npm v10.2.4)", "v20.11.1", "20.11.1", "{ welcome }", "bold \\033[1m9.9.9"],
)
async def test_a_wrappers_banner_is_not_taken_for_claude(tmp_path: Path, banner: str) -> None:
    says = f"""printf '{banner}\\n'
case $1 in
  --version) printf '\\033[32m2.1.332 (Claude Code)\\033[0m\\n' ;;
  *) printf '{{\\n  "loggedIn": true,\\n  "authMethod": "claude.ai"\\n}}\\n' ;;
esac"""
    program = script(tmp_path / "claude", says)
    assert (await locate(program, ENVIRONMENT)).version == "2.1.332"
    assert await login_status((program,), ENVIRONMENT) == LoggedIn("claude.ai")


@pytest.mark.parametrize("configured", ["$HOME/my/claude ~/x", "${HOME}/my/claude $HOME/x", "~/my/claude ~/x"])
def test_the_home_directory_may_be_written_as_at_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: str
) -> None:
    (tmp_path / "my").mkdir()
    program = script(tmp_path / "my" / "claude", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_command(configured, ENVIRONMENT) == (program, f"{tmp_path}/x")


async def test_a_file_that_is_no_program_is_broken(tmp_path: Path) -> None:
    (tmp_path / "claude").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "claude").chmod(0o755)
    with pytest.raises(CliBroken, match="cannot be started"):
        await locate(str(tmp_path / "claude"), ENVIRONMENT)


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ('echo \'{"loggedIn": true, "authMethod": "claude.ai"}\'', LoggedIn("claude.ai")),
        ('echo \'{"loggedIn": false, "authMethod": "none"}\'; exit 1', NotLoggedIn()),
        ("echo 'unknown command'; exit 2", LoginUnknown),
        ('echo \'{"loggedIn": "yes"}\'', LoginUnknown),
        ("true", LoginUnknown),
    ],
)
async def test_login_is_what_auth_status_says(tmp_path: Path, text: str, login: object) -> None:
    program = script(tmp_path / "claude", text)
    found = await login_status((program,), ENVIRONMENT)
    assert isinstance(found, login) if isinstance(login, type) else found == login


async def test_login_is_unknown_when_auth_status_hangs_or_is_gone(tmp_path: Path) -> None:
    program = script(tmp_path / "claude", "sleep 1000")
    assert isinstance(await login_status((program,), ENVIRONMENT, limit_s=0.2), LoginUnknown)
    assert isinstance(await login_status(("/nowhere/claude",), ENVIRONMENT), LoginUnknown)


async def test_a_standstill_of_the_bridge_is_no_silence_of_the_cli(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    os.mkfifo(runs)
    program = script(tmp_path / "claude", f"echo >'{runs}'; sleep 0.2; echo '2.1.329 (Claude Code)'")
    pipe = os.open(runs, os.O_RDONLY | os.O_NONBLOCK)

    def stand_still() -> None:
        asyncio.get_running_loop().remove_reader(pipe)
        time.sleep(1.5)  # the fault itself

    asyncio.get_running_loop().add_reader(pipe, stand_still)
    try:
        assert await locate(program, ENVIRONMENT, limit_s=1.0) == Cli((program,), "2.1.329")
    finally:
        os.close(pipe)
