"""Logs: one form for all, ids only, no secret whatever happens."""

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.logs import LogPlan, set_up_logging, take_down_logging
from bridge.settings_choices import LogFormat, LogLevel
from tests.texts.test_redaction import SECRETS


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    level = logging.getLogger().level
    yield
    take_down_logging()
    logging.getLogger().setLevel(level)


def lines(directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (directory / "bridge.log").read_text().splitlines()]


def test_records_of_the_bridge_and_of_libraries_look_the_same(tmp_path: Path) -> None:
    set_up_logging(LogPlan(directory=tmp_path))
    logging.getLogger("bridge.wiring").info("session parked", extra={"session": "s1"})
    logging.getLogger("discord.client").warning("lost %s", "the gateway", extra={"shard": 0})
    ours, theirs = lines(tmp_path)
    assert (ours["event"], ours["level"], ours["logger"], ours["session"]) == (
        "session parked", "info", "bridge.wiring", "s1",
    )  # fmt: skip
    assert (theirs["event"], theirs["level"], theirs["logger"], theirs["shard"]) == (
        "lost the gateway", "warning", "discord.client", 0,
    )  # fmt: skip
    assert str(ours["timestamp"]).endswith("Z")


@pytest.mark.parametrize(
    ("form", "is_json"), [(LogFormat.AUTO, True), (LogFormat.JSON, True), (LogFormat.PRETTY, False)]
)
def test_stderr_is_json_unless_it_is_a_terminal_or_pretty_is_chosen(
    form: LogFormat, is_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging(LogPlan(format=form))
    logging.getLogger("bridge").info("started", extra={"pid": 7})
    text = capsys.readouterr().err
    assert text.startswith("{") == is_json
    assert "started" in text
    assert capsys.readouterr().out == ""


def test_nothing_goes_to_stderr_while_a_screen_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging(LogPlan(directory=tmp_path, on_stderr=False))
    logging.getLogger("bridge").info("started")
    assert capsys.readouterr().err == ""
    assert len(lines(tmp_path)) == 1


@pytest.mark.parametrize(
    "text",
    [*SECRETS.values(), "https://ann:secret@example.com/x", "the known value", 'with "quotes" and \\'],
    ids=lambda text: text[:20],
)
def test_what_is_or_looks_like_a_secret_is_not_logged(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = ("the known value", 'with "quotes" and \\')
    for form in (LogFormat.JSON, LogFormat.PRETTY):
        set_up_logging(LogPlan(format=form, directory=tmp_path, secrets=secrets))
        log = logging.getLogger("bridge")
        log.warning(text, extra={"value": text, "nested": {"list": [text]}})
        logging.getLogger("library").warning("said %s", text)
        try:
            int(text)
        except ValueError:
            log.exception("failed")
    told = capsys.readouterr().err + (tmp_path / "bridge.log").read_text()
    needle = "ann:secret" if "ann:" in text else text
    assert needle not in told
    assert json.dumps(needle)[1:-1] not in told
    assert told.count("[redacted]") >= 10
    assert len(lines(tmp_path)) == 6


def test_tracebacks_show_no_local_variable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompt = "what somebody" + " asked"
    for form in (LogFormat.JSON, LogFormat.PRETTY):
        set_up_logging(LogPlan(format=form, directory=tmp_path))
        try:
            len(prompt) / 0
        except ZeroDivisionError:
            logging.getLogger("bridge").exception("failed")
    told = capsys.readouterr().err + (tmp_path / "bridge.log").read_text()
    assert "ZeroDivisionError" in told
    assert prompt not in told


def test_discord_and_its_like_never_log_at_debug(tmp_path: Path) -> None:
    set_up_logging(LogPlan(level=LogLevel.DEBUG, directory=tmp_path))
    for name in ("discord.http", "discord.gateway", "discord.gateway.shard", "asyncio", "aiosqlite", "bridge"):
        logging.getLogger(name).debug("a whole message")
    assert [line["logger"] for line in lines(tmp_path)] == ["bridge"]


def test_what_is_below_the_level_is_not_logged(tmp_path: Path) -> None:
    set_up_logging(LogPlan(level=LogLevel.ERROR, directory=tmp_path))
    logging.getLogger("bridge").warning("no")
    logging.getLogger("discord.http").warning("no")
    logging.getLogger("bridge").error("yes")
    assert [line["event"] for line in lines(tmp_path)] == ["yes"]


def test_the_file_is_turned_over_and_for_its_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.logs.FILE_BYTES", 2000)
    directory = tmp_path / "logs"
    set_up_logging(LogPlan(directory=directory))
    for number in range(200):
        logging.getLogger("bridge").info("a line", extra={"number": number})
    files = sorted(file.name for file in directory.iterdir())
    assert files == ["bridge.log", *(f"bridge.log.{number}" for number in range(1, 6))]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in directory.iterdir())
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_setting_up_again_replaces_the_first(tmp_path: Path) -> None:
    for _ in range(3):
        set_up_logging(LogPlan(directory=tmp_path))
    logging.getLogger("bridge").info("once")
    assert len(lines(tmp_path)) == 1


def test_a_value_of_any_kind_and_text_of_any_bytes_is_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in (LogFormat.JSON, LogFormat.PRETTY):
        set_up_logging(LogPlan(format=form, directory=tmp_path))
        name = b"caf\xe9".decode("utf-8", "surrogateescape")
        fields = {"path": Path(name), "named": name, "it": {1}}
        # Straight to our handlers: pytest's own captures the record, too, and xdist cannot send it.
        record = logging.makeLogRecord({"name": "bridge", "msg": "found %s", "args": (name,), **fields})
        for handler in logging.getLogger().handlers:
            if handler.get_name() == "claude-bridge":
                handler.handle(record)
    told = capsys.readouterr().err
    assert "Logging error" not in told
    assert [line["event"] for line in lines(tmp_path)] == ["found caf\ufffd"] * 2
    assert "it={1}" in told
