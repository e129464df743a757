"""The command that a person types to run this program: a shell in this directory finds it."""

import sys
from pathlib import Path

import pytest

from machine.own_command import typed_bridge


@pytest.mark.parametrize(
    ("has_program", "on_path", "typed"),
    [(True, True, "claude-bridge"), (True, False, ".venv/bin/claude-bridge"), (False, False, "claude-bridge")],
)
def test_the_bare_name_only_where_the_shell_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_program: bool, on_path: bool, typed: str
) -> None:
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    if has_program:
        (programs / "claude-bridge").touch(0o755)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.setenv("PATH", str(programs) if on_path else str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert typed_bridge() == typed
