"""`chat --once` with the real CLI: what comes out where, exit codes, and what is refused."""

import json
import re
import shlex
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.house import House
from tests.fakes.cli_home import scripted_command

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(180)]
ID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.MULTILINE)


def session_of(stderr: str) -> str:
    match = ID.search(stderr)
    assert match, stderr
    return match[0]


def test_answer_is_on_stdout_id_on_stderr_and_the_next_prompt_goes_on_in_the_conversation(house: House) -> None:
    first = house.once("demo:text one demo:bash echo two")
    assert (first.returncode, first.stderr) == (0, f"{session_of(first.stderr)}\n")
    assert first.stdout == "DEMO: one\n\nDEMO: Bash answered: two\n"

    second = house.once("demo:text three", "--session", session_of(first.stderr), "--json")
    report = json.loads(second.stdout)
    assert second.returncode == 0
    assert (report["session_id"], report["status"]) == (session_of(first.stderr), "done")
    assert report["text"] == "DEMO: three"
    assert report["cost_usd"] > 0
    assert house.prompts() == ["demo:text one demo:bash echo two", "demo:text three"]
    assert house.transcript_text() == house.stored_text(session_of(first.stderr))


def test_prompt_is_read_from_stdin_whatever_bytes_it_has(house: House) -> None:
    done = house.run("chat", "--once", "-", given="demo:text caf\udce9\nstdin")
    assert (done.returncode, done.stdout) == (0, "DEMO: caf\ufffd\n"), done.stderr


def test_ask_is_refused_because_nobody_is_there_and_the_turn_goes_on(house: House) -> None:
    done = house.once("demo:bash touch made demo:text end")
    assert done.returncode == 0
    assert "Refused, because nobody is here to answer: Bash" in done.stderr
    assert "end" in done.stdout
    assert not (house.project / "made").exists()


def test_mode_of_a_new_session_lets_edits_pass(house: House) -> None:
    done = house.once("demo:write made.txt hello", "--mode", "acceptEdits")
    assert done.returncode == 0, done.stderr
    assert (house.project / "made.txt").read_text() == "hello"


def test_nothing_of_claude_is_left_running_after_the_turn(house: House) -> None:
    house.once("demo:text hi")
    assert [command for command in house.processes().values() if "claude" in command and "-p " in command] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--session", "../x"], "no such session"),
        (["--session", "01a1fd2d-8a23-7294-bad3-036ea7ab8d92/x"], "no such session"),
        (["--session", "01a1fd2d-8a23-7294-bad3-036ea7ab8d92"], "no such session"),
        (["--project", "missing"], "“missing” cannot be used: it does not exist"),
        (["--project", "../home"], "“home” cannot be used: it lies outside the workspace"),
        (["--project", "link"], "“link” cannot be used: it lies outside the workspace"),
        (["--mode", "wild"], "invalid choice"),
    ],
)
def test_bad_usage_is_refused_with_a_sentence_before_anything_is_made(
    house: House, arguments: list[str], sentence: str
) -> None:
    house.workspace.mkdir()
    (house.workspace / "link").symlink_to(house.root / "home")
    done = house.once("demo:text hi", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert house.rows("SELECT id FROM sessions") == []
    assert list(house.data.glob("run/*/*")) == []
    assert list((house.root / "home").iterdir()) == []


def test_an_empty_prompt_makes_no_session(house: House) -> None:
    for done in (house.once(" "), house.run("chat", "--once", "-", given="\n")):
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "The prompt is empty.\n")
    assert not house.data.exists()


def test_wrong_settings_are_listed_at_once(house: House) -> None:
    done = house.once("hi", MAX_SESSIONS="many", BACKEND="screen")
    assert done.returncode == 2
    assert "MAX_SESSIONS" in done.stderr
    assert "BACKEND" in done.stderr


def test_turn_that_fails_says_why(house: House) -> None:
    done = house.once("demo:error 401", CLAUDE_CODE_MAX_RETRIES="0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Claude's service does not accept the API key that is set on the machine." in done.stderr


def script(body: str) -> Callable[[Path], str]:
    """A program that is found as `claude`."""

    def write(directory: Path) -> str:
        path = directory / "fake-claude"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return write


VERSION = 'if [ "$1" = --version ]; then echo "2.1.329 (Claude Code)"; exit; fi\n'


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda directory: str(directory / "missing"), "CLAUDE_COMMAND names"),
        (script("echo '1.0.2 (Claude Code)'"), "Claude Code 1.0.2 is too old"),
        (script("exit 3"), "it ended with code 3 and named no version"),
        (script(f"{VERSION}exit 7"), r"Claude could not be started \(exit code 7\)"),
        (script(f"{VERSION}echo '{{ rubbish'; echo; exit 4"), r"Claude could not be started \(exit code 4\)"),
    ],
    ids=["missing", "too old", "no version", "exits at once", "rubbish"],
)
def test_claude_that_does_not_work_is_a_state_with_a_sentence(
    house: House, make: Callable[[Path], str], sentence: str
) -> None:
    done = house.once("demo:text hi", CLAUDE_COMMAND=make(house.root))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(sentence, done.stderr), done.stderr
    assert house.rows("SELECT status FROM turns")[0][0] in ("withdrawn", "cut")


def test_everything_below_data_is_private(house: House) -> None:
    house.once("demo:text hi demo:bash echo x")
    loose = {
        str(path.relative_to(house.root)): oct(path.stat().st_mode)
        for path in [house.data, *house.data.rglob("*")]
        if stat.S_IMODE(path.lstat().st_mode) & 0o077 and not path.is_symlink()
    }
    assert loose == {}


def test_tools_of_claude_reach_neither_env_files_nor_the_data_directory(house: House) -> None:
    house.project.mkdir(parents=True)
    (house.project / ".env").write_text("SECRET=sesame")
    prompt = (
        f"demo:read {house.project}/.env demo:read {house.data}/run/owner.lock"
        f" demo:write {house.data}/run/x.txt intruder demo:text end"
    )
    done = house.once(prompt, "--mode", "acceptEdits")
    assert done.returncode == 0
    assert done.stdout.count("denied by your permission settings") == 3, done.stdout
    assert "sesame" not in done.stdout
    assert not (house.data / "run" / "x.txt").exists()


def test_a_usage_limit_ends_it_at_once_and_nothing_runs_later(house: House) -> None:
    """The scripted CLI meets the limit; the second time it is known already."""
    command = shlex.join(scripted_command())
    for prompt in ("cli:usage-limit", "demo:text hi"):
        done = house.once(prompt, CLAUDE_COMMAND=command)
        assert done.returncode == 1, done.stderr
        assert done.stderr.endswith("A usage limit of the account is reached.\n")
    assert [status for (status,) in house.rows("SELECT status FROM turns")] == ["withdrawn", "withdrawn"]
