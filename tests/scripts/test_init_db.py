"""`scripts/init_db.py`, once as people run it, then forked from the nursery: a start costs half a second."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from bridge.ownership import OwnerKind, owning
from bridge.schema import schema
from tests.nursery import Start, run_to_end

PROJECT = Path(__file__).parents[2]


def init_db(directory: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run the script in `directory` with no settings but `settings`."""
    start = Start("tests.e2e.bridge_process", ("init_db", *arguments), environment(settings), directory)
    return run_to_end(start, timeout_s=60)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | dict(settings)


def test_it_makes_the_database_and_says_so_when_asked(tmp_path: Path) -> None:
    as_people_do = subprocess.run(
        [sys.executable, str(PROJECT / "scripts" / "init_db.py"), "--check"],
        cwd=tmp_path, env=environment({}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert as_people_do.returncode == 1
    assert as_people_do.stdout == init_db(tmp_path, "--check").stdout
    dry = init_db(tmp_path, "--dry-run")
    assert (dry.returncode, "0001 sessions" in dry.stdout) == (0, True)
    assert list(tmp_path.iterdir()) == []
    made = init_db(tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert "Applied 0001 sessions." in made.stdout
    check = init_db(tmp_path, "--check")
    assert (check.returncode, check.stdout) == (
        0,
        f"The database is sound and up to date (schema version {len(schema())}).\n",
    )
    again = init_db(tmp_path)
    assert (again.returncode, again.stdout) == (0, "sessions.db is ready.\n")


def test_it_refuses_while_somebody_owns_the_data_directory_but_may_look(tmp_path: Path) -> None:
    init_db(tmp_path)
    with owning(tmp_path / "data", OwnerKind.BOT):
        refused = init_db(tmp_path)
        assert refused.returncode == 1
        assert f"bot, pid {os.getpid()}" in refused.stderr
        assert init_db(tmp_path, "--check").returncode == 0


def test_a_database_of_a_newer_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    init_db(tmp_path)
    with closing(sqlite3.connect(tmp_path / "data" / "sessions.db")) as connection:
        connection.execute("PRAGMA user_version = 9999")
    for arguments in ([], ["--check"], ["--dry-run"]):
        refused = init_db(tmp_path, *arguments)
        assert refused.returncode == 1
        assert "newer version" in refused.stderr


def test_a_damaged_database_is_told_and_repaired(tmp_path: Path) -> None:
    init_db(tmp_path)
    (tmp_path / "data" / "sessions.db").write_bytes(b"nothing that SQLite knows" * 100)
    check = init_db(tmp_path, "--check")
    assert check.returncode == 1
    assert "damaged" in check.stdout
    repaired = init_db(tmp_path)
    assert repaired.returncode == 0
    assert "is kept as sessions.db.corrupt-" in repaired.stdout
    assert init_db(tmp_path, "--check").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "words"),
    [
        (["--nonsense"], {}, 2, "unrecognized arguments"),
        (["--check", "--dry-run"], {}, 2, "not allowed with"),
        ([], {"MAX_SESSIONS": "many"}, 2, "MAX_SESSIONS is “many”"),
        ([], {"DATA_DIR": "/proc/nowhere"}, 2, "DATA_DIR cannot be used: /proc/nowhere: "),
    ],
)
def test_bad_usage_and_settings_have_a_sentence_and_no_traceback(
    tmp_path: Path, arguments: list[str], settings: dict[str, str], code: int, words: str
) -> None:
    ran = init_db(tmp_path, *arguments, **settings)
    assert ran.returncode == code
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr


def test_help_tells_what_it_is_for_and_what_its_exit_codes_mean(tmp_path: Path) -> None:
    text = init_db(tmp_path, "--help").stdout
    for words in ("--dry-run", "--check", "DATABASE_PATH", "backups", "exit codes"):
        assert words in text
