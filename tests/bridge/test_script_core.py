"""Shared parts of the scripts: they ask first, and show on a terminal how far a long job is."""

import io
from pathlib import Path
from threading import Event

import pytest

from bridge import script_core
from bridge.script_core import confirmed, growing, working


@pytest.mark.parametrize("answer", ["y\n", "YES\n"])
def test_a_yes_at_the_terminal_is_a_yes(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    assert asked(monkeypatch, answer)


@pytest.mark.parametrize("answer", ["\n", "n\n", "yeah\n", ""])  # the last one is Ctrl-D
def test_anything_else_is_a_no(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    assert not asked(monkeypatch, answer)


def asked(monkeypatch: pytest.MonkeyPatch, answer: str) -> bool:
    stdin = io.StringIO(answer)
    stdin.isatty = lambda: True  # type: ignore[method-assign]  # a terminal, as far as anybody looks
    monkeypatch.setattr("sys.stdin", stdin)
    return confirmed("Really?", yes=False)


def test_where_nobody_is_nothing_is_asked_and_yes_has_to_be_said_beforehand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert not confirmed("Really?", yes=False)
    assert "--yes" in capsys.readouterr().err
    assert confirmed("Really?", yes=True)


def test_a_long_job_shows_on_a_terminal_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(script_core, "_LOOK_S", 0.001)
    (tmp_path / "before").write_bytes(b"x" * 1000)
    seen = ""
    with growing("Copying", tmp_path, 200):
        (tmp_path / "now").write_bytes(b"x" * 100)
        for _ in range(3000):
            seen += capsys.readouterr().err
            if "50%" in seen:
                break
            Event().wait(0.01)
    assert "Copying" in seen
    assert "50%" in seen


def test_without_a_terminal_nothing_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with growing("Copying", tmp_path / "not made yet", 200), working("Looking"):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_job_that_fails_lets_its_error_through_and_ends_the_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with pytest.raises(OSError, match="full"), growing("Copying", tmp_path, 200):
        raise OSError("full")
