"""Settings of git that the user makes for all repositories count as git counts them."""

import os
import threading
from pathlib import Path

import pytest

from tests.workdirs.desk import Desk, paths
from workdirs import blocking_rules
from workdirs.conversions import find_conversions
from workdirs.model import FilePath
from workdirs.people_settings import people_rules, people_setting
from workdirs.repository import open_repository


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's file of settings."""
    path = tmp_path / "config"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.fspath(path))
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return path


def test_the_users_ignore_rules_count_and_the_repositorys_come_after_them(desk: Desk, config: Path) -> None:
    (config.parent / "mine").write_text("# editors\n*.swp\nkept.log\n")
    config.write_text("[core]\n\texcludesFile = ~/mine\n")
    desk.git("init", "-q")
    exclude = desk.root / ".git/info/exclude"
    exclude.write_text("!kept.log\n")
    for name in ("a", "b.swp", "kept.log"):
        desk.write(name)
    taken = desk.take()
    assert paths(taken, desk) == {b"a", b"kept.log"}
    assert taken.coverage.excludes[FilePath(b"")] == "*.swp\nkept.log\n!kept.log"
    (desk.root / "b.swp").write_text("mine")
    (desk.root / "a").unlink()
    config.unlink()
    now = desk.take()
    assert [each.path for each in desk.restore(taken)] == [b"b.swp"]
    assert paths(now, desk) == {b"b.swp", b"kept.log"}
    assert (desk.root / "b.swp").read_text() == "mine", "ignored then, so it stays"


def test_settings_of_included_files_and_the_usual_place_are_found(config: Path) -> None:
    assert people_rules() is None
    usual = config.parent / ".config/git/ignore"
    usual.parent.mkdir(parents=True)
    usual.write_text("*.swp\n")
    found = people_rules()
    assert found is not None
    assert found.path == usual
    (config.parent / "more").write_text("[core]\n\tautocrlf = input\n")
    config.write_text("[include]\n\tpath = ~/more\n")
    assert people_setting("core.autocrlf") == "input"


def test_the_users_conversion_of_line_ends_counts_unless_the_repository_has_its_own(
    desk: Desk, config: Path
) -> None:
    config.write_text("[core]\n\tautocrlf = input\n")
    desk.git("init", "-q")
    repository = open_repository(desk.root)
    assert repository is not None
    assert find_conversions(repository, [FilePath(b"a")]).from_crlf == {b"a"}
    desk.git("config", "core.autocrlf", "false")
    assert not find_conversions(repository, [FilePath(b"a")]).from_crlf


def test_a_fifo_for_ignore_rules_holds_nothing_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking_rules, "_LONG_S", 0.0)
    desk.write("a")
    desk.write("inside/b")
    for place in (desk.root, desk.root / "inside"):
        os.mkfifo(place / ".gitignore")
    assert {b"a", b"inside/b"} <= paths(desk.take(), desk)
    assert threading.active_count() == 1
