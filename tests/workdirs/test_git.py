"""git is started in one file, with nothing of the machine's, the user's or the repository's configuration."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.test_project import PROJECT, tracked
from workdirs.errors import GitFailed, GitMisused, GitSaidTooMuch, GitTimedOut
from workdirs.git import GitCall, Kind, ask, environment, run

_STARTS_GIT = re.compile(r"""exec\w*\(\s*["']git["']|\[\s*["']git["']|which\(\s*["']git["']""")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    run(GitCall(Kind.OURS, tmp_path / "store", ("init", "-q", "--bare", "--template=")))
    return tmp_path / "store"


def test_no_other_file_of_the_program_starts_git() -> None:
    rooms = [path for path in tracked() if path.suffix == ".py" and path.parts[0] not in ("tests", "workdirs")]
    found = [str(path) for path in rooms if _STARTS_GIT.search((PROJECT / path).read_text(encoding="utf-8"))]
    mine = [
        path for path in (PROJECT / "workdirs").rglob("*.py") if _STARTS_GIT.search(path.read_text("utf-8"))
    ]
    assert found == []
    assert [path.name for path in mine] == ["git.py"]


def test_a_call_inherits_path_and_nothing_else(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("DISCORD_TOKEN", "a secret")
    variables = environment(GitCall(Kind.OURS, store, ("rev-parse", "--git-dir")))
    assert {name for name in variables if name in os.environ} <= {"PATH", "HOME", "LC_ALL", "XDG_CONFIG_HOME"}
    assert "a secret" not in variables.values()
    answer = run(GitCall(Kind.OURS, store, ("rev-parse", "--git-dir")))
    assert (answer.text, answer.err) == (str(store), b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("diff",),
        ("add", "-A"),
        ("checkout", "HEAD"),
        ("merge-tree", "--write-tree", "a", "b"),
        ("worktree", "add", "/tmp/x"),
        ("cat-file", "--filters", "HEAD:a"),
        ("cat-file", "--textconv", "HEAD:a"),
        ("log", "-1"),
        ("log", "-1", "--no-show-signature", "-p"),
        ("read-tree", "-m", "-u", "a", "b"),
        ("stash", "create"),
    ],
)
async def test_a_call_that_runs_foreign_programs_is_refused(store: Path, arguments: tuple[str, ...]) -> None:
    call = GitCall(Kind.THEIRS, store, arguments)
    with pytest.raises(GitMisused):
        run(call)
    with pytest.raises(GitMisused):
        await ask(call)


async def test_both_ways_feed_read_and_report_alike(store: Path) -> None:
    data = os.urandom(3_000_000)  # more than any pipe holds
    call = GitCall(Kind.OURS, store, ("hash-object", "-w", "--stdin"), stdin=data)
    blob = run(call).text
    assert (await ask(call)).text == blob
    read = GitCall(Kind.OURS, store, ("cat-file", "blob", blob))
    assert run(read).out == (await ask(read)).out == data
    wrong = GitCall(Kind.OURS, store, ("cat-file", "blob", "0" * 40))
    with pytest.raises(GitFailed) as failed:
        run(wrong)
    with pytest.raises(GitFailed) as failed_too:
        await ask(wrong)
    assert (failed.value.code, failed.value.stderr) == (failed_too.value.code, failed_too.value.stderr)
    small = GitCall(Kind.OURS, store, ("cat-file", "blob", blob), max_output=1000)
    with pytest.raises(GitSaidTooMuch):
        run(small)
    with pytest.raises(GitSaidTooMuch):
        await ask(small)


async def test_a_call_past_its_deadline_is_killed(store: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)
    hangs = GitCall(Kind.OURS, store, ("config", "-f", str(fifo), "-l"), deadline_s=0.2)
    with pytest.raises(GitTimedOut):
        run(hangs)
    with pytest.raises(GitTimedOut):
        await ask(hangs)
    os.close(holder)
    left = subprocess.run(["pgrep", "-f", str(fifo)], capture_output=True, text=True, check=False)  # noqa: ASYNC221
    assert left.stdout == ""
