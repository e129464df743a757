"""`claude-bridge session …` and `backup …`, the scripts for the same acts, and completion in shells."""

import asyncio
import io
import json
import os
import re
import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest

import api as c
from bridge.cli import _parser, parse
from bridge.cli_core import say_on_stderr
from bridge.cli_session import SessionActs, Unclear, session
from bridge.completion import _choices, _commands, script
from bridge.invocation import Shell
from bridge.ownership import OwnerKind, owning
from bridge.session_arguments import SessionAct
from sessions.errors import FolderRefused
from tests.sessions.checkpointed import policy_in
from tests.sessions.running_core import ADMIN, RunningCore, running_core
from tests.web.test_kill import end_programs

SCRIPTS = Path(__file__).parents[2] / "scripts"


async def typed(core: RunningCore, *words: str) -> int:
    wish = parse(words)
    assert isinstance(wish, SessionAct)
    return await SessionActs(core.service, ADMIN, wish).do()


async def test_a_session_is_begun_kept_put_back_ended_and_restored_by_typed_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_core(tmp_path / "core", checkpoints=policy_in(tmp_path)) as core:

        async def told(*words: str) -> Any:
            assert await typed(core, *words, "--json") == 0
            return json.loads(capsys.readouterr().out)

        with pytest.raises(Unclear, match="No session has a focus"):
            await typed(core, "session", "checkpoint")
        folder = await told("session", "start", "log", "in")
        begun = await core.manager.get_session(folder["session_id"])
        work = Path(begun.snapshot.work_directory)
        (work / "a.txt").write_text("before")
        assert (await told("session", "checkpoint", "the", "first"))["label"] == "the first"
        (work / "a.txt").write_text("after")
        numbered = await told("session", "checkpoints", "--session", "session-001-log-in")
        assert [(each["number"], each["info"]["label"]) for each in numbered] == [(1, "the first")]
        assert (await told("session", "put-back", "1", "--yes"))["restored"] == 1
        assert (work / "a.txt").read_text() == "before"
        with pytest.raises(Unclear, match="no checkpoint 9"):
            await typed(core, "session", "put-back", "9")
        proposed = await told("session", "end", "--propose", "--summary", "all done")
        assert (proposed["is_ended"], proposed["draft"]) == (False, "all done")
        with pytest.raises(Unclear, match="AXIS=N"):
            await typed(core, "session", "end", "--score", "Logic")
        with pytest.raises(Unclear, match="no score"):
            await typed(core, "session", "end", "--score", f"Logic={'9' * 5_000}")
        ended = await told("session", "end", "--summary", "all done", "--score", "Logic=4")
        assert (ended["is_ended"], ended["score"], ended["trouble"]) == (True, {"Logic": 4}, "")
        assert [each["name"] for each in (await told("session", "list", "--archived"))["folders"]] == [
            folder["name"]
        ]
        (backup,) = (await told("backup", "list"))["backups"]
        assert (await told("backup", "verify", backup["id"]))["files"] > 0
        restored = await told("backup", "restore", backup["id"], "--project", "elsewhere")
        assert (core.directory / "workspaces" / "elsewhere" / "a.txt").read_text() == "before"
        assert restored["id"] != folder["session_id"]
        assert await typed(core, "session", "start", "next") == 0
        assert "all done" in capsys.readouterr().out, "what the last session left"
        with pytest.raises(Unclear, match="too short"):
            await typed(core, "backup", "verify", "x")


async def test_a_focus_without_words_begins_no_session(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        with pytest.raises(FolderRefused, match="needs words"):
            await typed(core, "session", "start", " ")
        assert not (await core.do(c.QuerySessions(include_ended=True))).sessions


async def test_typed_text_is_stored_as_text_and_printed_without_control_of_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    not_utf8 = "a\udcffb"  # Python's form of the byte 0xff in an argument
    async with running_core(tmp_path / "core", checkpoints=policy_in(tmp_path)) as core:
        assert await typed(core, "session", "start", "red \x1b[31mfocus", not_utf8) == 0
        assert await typed(core, "session", "list") == 0
        assert await typed(core, "session", "checkpoint", "\x1b]0;title\x07", not_utf8) == 0
        assert await typed(core, "session", "checkpoints") == 0
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\xffb"), encoding="utf-8"))
        assert await typed(core, "session", "note", "-") == 0
        printed = capsys.readouterr().out
        assert "red focus a\ufffdb" in printed
        assert "note 1: a\ufffdb" in printed
        assert "\x1b" not in printed
        assert "\x07" not in printed


@pytest.fixture
def ending_demo(tmp_path: Path) -> Iterator[None]:
    """The demo model of `tmp_path`, which outlives a command, ends with the test."""
    yield
    asyncio.run(end_programs(tmp_path))


@pytest.mark.usefixtures("ending_demo")
def test_an_act_is_about_the_demo_as_long_as_only_the_demo_was_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WORKSPACE_ROOT", str(tmp_path / "projects"))
    demo, real = tmp_path / "data/demo/sessions.db", tmp_path / "data/sessions.db"
    demo.parent.mkdir(parents=True)
    demo.touch()
    wish = parse(["session", "list"])
    assert isinstance(wish, SessionAct)
    assert session(wish) == 0
    assert "so this is the demo" in capsys.readouterr().err
    assert (demo.stat().st_size > 0, real.exists()) == (True, False)
    real.touch()
    assert session(wish) == 0
    assert not capsys.readouterr().err, "there is a real database now"
    with owning(tmp_path / "data/demo", OwnerKind.BOT):
        assert session(wish) == 0
    assert "With --demo" in capsys.readouterr().err, "the demo runs, and nothing else"


def test_a_terminal_message_does_not_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say_on_stderr("Nothing is named “\x1b[31mx”.")
    assert capsys.readouterr().err == "Nothing is named “x”.\n"


@pytest.mark.parametrize("words", ["session end", "session note x", "session start x", "backup create"])
def test_an_empty_session_is_bad_usage_and_not_the_newest_one(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([*words.split(), "--session", ""])
    assert ended.value.code == 2
    assert "it is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("session_start", "FOCUS"),
        ("session_checkpoint", "--milestone"),
        ("session_end", "--score"),
        ("session_list", "--archived"),
        ("restore_session", "--restore-checkpoint"),
        ("backup_project", "--label"),
    ],
)
def test_each_script_explains_itself(name: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(SCRIPTS / f"{name}.py"))["main"]
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    shown = capsys.readouterr().out
    assert (ended.value.code, option in shown, "exit codes" in shown) == (0, True, True)
    with pytest.raises(SystemExit) as refused:
        main(["--nonsense"])
    assert refused.value.code == 2


# Each prints the words that its shell offers after `claude-bridge LINE `, one line for each.
_COMPLETED = {
    Shell.BASH: (
        "source completion",
        'COMP_WORDS=(claude-bridge{line} ""); COMP_CWORD={count}; _claude_bridge; echo "${{COMPREPLY[@]}}"',
    ),
    Shell.ZSH: (
        "compdef() {{ }}; _files() {{ }}; compadd() {{ print -r -- $found }}; source ./completion",
        'words=(claude-bridge{line} ""); CURRENT={count}+1; _claude_bridge',
    ),
    Shell.FISH: ("source completion", 'echo (complete -C "claude-bridge{line} ")'),
}


@pytest.mark.parametrize("shell", list(Shell))
def test_a_shell_completes_every_command_and_every_choice(tmp_path: Path, shell: Shell) -> None:
    if which(shell) is None:
        pytest.skip(f"{shell} is not installed, so its completion is not tried")
    (tmp_path / "completion").write_text(script(_parser(), shell))
    expected = {**dict(_commands(_parser(), "")), **dict(_choices(_parser(), ""))}
    assert "--milestone" in expected[" session checkpoint"]
    assert "plan" in expected[" chat --mode"]
    begin, each = _COMPLETED[shell]
    lines = [each.format(line=line, count=len(line.split()) + 1) for line in expected]
    done = subprocess.run(
        [shell, "-c", "\n".join([begin.format(), *lines])],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    found = [sorted(line.split()) for line in done.stdout.splitlines()]
    assert found == [sorted(words) for words in expected.values()]


def _named_in_docs() -> list[str]:
    """Return the commands of ours that the documentation shows, as somebody would type them."""
    commands = "session|backup|skill|completion|mcp"
    found: list[str] = []
    for name in ("README.md", "docs/mcp.md", "docs/sessions.md"):
        text = (SCRIPTS.parent / name).read_text(encoding="utf-8")
        found += re.findall(rf"`claude-bridge ((?:{commands})[^`…]*)`", text)
        found += re.findall(rf"^claude-bridge ((?:{commands}).*?)(?:  +.*)?$", text, re.MULTILINE)
    return sorted({re.sub(r"[\[\]]", "", each).strip() for each in found})


@pytest.mark.parametrize("line", _named_in_docs())
def test_each_command_that_the_documentation_shows_is_one(line: str) -> None:
    parse(line.split())
