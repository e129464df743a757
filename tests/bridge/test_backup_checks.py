"""`doctor` on backups, and the command that copies them elsewhere."""

import os
from pathlib import Path

import pytest

from bridge.backup_checks import check_backups
from bridge.backup_command import NOT_STARTED, run_backup_command
from bridge.findings import Level
from bridge.schema import schema
from bridge.settings_loading import load_settings
from storage import Database, Statement

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
INSERT = (
    "INSERT INTO backups (id, kind, name, status, made_ms, damage, copied_code, copied_ms)"
    " VALUES ('daily/x', 'daily', 'x', 'made', ?, ?, ?, ?)"
)


@pytest.mark.parametrize(
    ("row", "level", "words"),
    [
        (None, Level.OK, "no daily backup yet"),
        ((NOW_MS - HOUR_MS, "", None, None), Level.OK, "daily/x is whole."),
        ((NOW_MS - HOUR_MS, "", 0, NOW_MS), Level.OK, "copied elsewhere at"),
        ((NOW_MS - HOUR_MS, "", 3, NOW_MS), Level.WARNING, "BACKUP_COMMAND ended with code 3 at"),
        ((NOW_MS - 49 * HOUR_MS, "", None, None), Level.WARNING, "more than two days old"),
        ((NOW_MS - HOUR_MS, "It differs.", None, None), Level.WARNING, "damaged: It differs."),
    ],
)
async def test_doctor_says_how_the_newest_daily_backup_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: tuple[object, ...] | None, level: Level, words: str
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    settings = load_settings(tmp_path / "no.env")
    assert check_backups(settings, NOW_MS).level is Level.OK  # there is no database yet
    async with Database.open(settings.database_path, schema()) as db:
        if row is not None:
            await db.write([Statement(INSERT, row)])  # type: ignore[arg-type]  # the table's own values
        found = check_backups(settings, NOW_MS)
    assert (found.level, words in found.sentence) == (level, True)


async def test_the_command_gets_the_path_and_no_token_and_its_exit_code_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    script = tmp_path / "copy.sh"
    script.write_text(f'#!/bin/sh\necho "$1 $2 $DISCORD_TOKEN." > {tmp_path}/said\nexit 7\n')
    script.chmod(0o700)
    assert await run_backup_command([str(script), "--to"], tmp_path / "a b.zip") == 7
    assert (tmp_path / "said").read_text() == f"--to {tmp_path}/a b.zip .\n"
    assert os.environ["DISCORD_TOKEN"] == "secret"
    assert await run_backup_command([str(tmp_path / "missing")], tmp_path) == NOT_STARTED
