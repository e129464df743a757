"""Programs inside a sandbox can leave any file in their directories; a start is neither held up nor misled."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sessions.claude.launch import Fresh
from sessions.claude.own_files import discard
from sessions.claude.row_tree import RowTree
from sessions.claude.sandbox_access import Asked, SandboxOptions, prepare, state_directory
from sessions.claude.saved_cost import saved_cost_usd
from sessions.claude.transcript_rows import rows

ALLOWS = '{"permissions": {"allow": ["Bash"]}}'


class Project:
    """A project whose user has settings and skills, but no state file of Claude."""

    def __init__(self, root: Path, *, mounts: bool) -> None:
        self.config, self.home, self.work = (root / name for name in ("claude", "home", "work"))
        for directory in (self.config / "skills", self.home, self.work):
            directory.mkdir(parents=True)
        (self.config / "settings.json").write_text("{}")
        self._options = SandboxOptions(state=root / "state", mounts=mounts)
        place = state_directory(self._options.state, self.work)
        self.own_home, self.own = place / "home", place / "claude"
        self.place = place
        self.start()

    def start(self) -> None:
        prepare(
            self._options,
            Asked(
                command=["/usr/bin/claude"],
                environment={"HOME": str(self.home), "CLAUDE_CONFIG_DIR": str(self.config)},
                start=Fresh("11111111-1111-4111-8111-111111111111"),
                work_directory=self.work,
            ),
        )


@pytest.fixture(params=[True, False], ids=["mounts", "links"])
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    return Project(tmp_path, mounts=request.param)


def _deep(path: Path) -> None:
    path.mkdir()
    opened = os.open(path, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("deeper", dir_fd=opened)
        below = os.open("deeper", os.O_RDONLY, dir_fd=opened)
        os.close(opened)
        opened = below
    os.close(opened)


def _closed(path: Path) -> None:
    (path / "evil").mkdir(parents=True)
    (path / "evil/SKILL.md").write_text("evil")
    (path / "evil").chmod(0o500)
    path.chmod(0o500)


PLANTED: dict[str, Callable[[Path], object]] = {
    "loop.md": lambda path: path.write_text("evil"),
    "CLAUDE.md": lambda path: path.symlink_to("/etc/hostname"),
    "commands": _closed,
    "rules": lambda path: path.symlink_to("/etc"),
    "hooks": os.mkfifo,
    "remote-settings.json": lambda path: path.write_text(ALLOWS),
    "policy-limits.json": lambda path: path.symlink_to("/etc/hostname"),
    "state": _closed,
}


def test_nothing_that_was_planted_in_the_configuration_counts_at_the_next_start(project: Project) -> None:
    for name, plant in PLANTED.items():
        (project.own / name).unlink(missing_ok=True)  # a link of ours
        plant(project.own / name)
    project.start()
    left = {
        each.name: each
        for each in project.own.iterdir()
        if each.name in PLANTED and (not each.is_dir() or any(each.iterdir()))
    }
    assert {path.read_bytes() for path in left.values()} <= {b""}
    assert not any("etc" in each.readlink().parts for each in project.own.iterdir() if each.is_symlink())
    assert not list(project.place.glob("removed.*"))


def test_settings_in_place_of_our_links_do_not_count(tmp_path: Path) -> None:
    project = Project(tmp_path, mounts=False)
    for name in ("settings.json", "skills"):
        (project.own / name).unlink()
    (project.own / "settings.json").write_text(ALLOWS)
    _closed(project.own / "skills")
    (project.own / "projects").rmdir()
    (project.own / "projects").symlink_to(project.config)
    project.start()
    assert (project.own / "settings.json").readlink() == project.config / "settings.json"
    assert (project.own / "skills").readlink() == project.config / "skills"
    assert not (project.own / "projects").is_symlink()


@pytest.mark.parametrize("kind", ["link", "fifo", "directory", "huge"])
def test_a_state_file_of_any_kind_neither_holds_up_a_start_nor_brings_in_foreign_words(
    project: Project, tmp_path: Path, kind: str
) -> None:
    planted, foreign = project.own / ".claude.json", tmp_path / "foreign.json"
    foreign.write_text('{"token": "SECRET"}')
    planted.unlink(missing_ok=True)
    match kind:
        case "link":
            planted.symlink_to(foreign)
        case "fifo":
            os.mkfifo(planted)
        case "directory":
            planted.mkdir()
        case _:
            with planted.open("wb") as file:
                file.truncate(1 << 40)
    project.start()
    assert not planted.exists() or "SECRET" not in planted.read_text()
    assert foreign.exists()


def test_of_a_projects_own_state_only_numbers_and_words_last(project: Project) -> None:
    planted = project.own / ".claude.json"
    planted.write_text(
        json.dumps({"userID": "u", "numStartups": 2, "env": {"A": "evil"}, "mcpServers": {"e": {}}})
    )
    project.start()
    assert json.loads(planted.read_text()) == {"userID": "u", "numStartups": 2}


@pytest.mark.parametrize("kind", ["link", "fifo", "directory", "with holes"])
def test_a_transcript_that_was_exchanged_is_not_read(tmp_path: Path, kind: str) -> None:
    path, foreign = tmp_path / "mine.jsonl", tmp_path / "foreign.jsonl"
    foreign.write_text('{"type": "user", "uuid": "1"}\n')
    match kind:
        case "link":
            path.symlink_to(foreign)
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case _:
            with path.open("wb") as file:
                file.truncate(1 << 40)
    for read in (RowTree.read, saved_cost_usd, lambda path: list(rows(path))):
        with pytest.raises(OSError, match=r"regular file|too large"):
            read(path)


def test_a_directory_goes_whatever_its_rights_and_depth(tmp_path: Path) -> None:
    root = tmp_path / "root"
    _closed(root)
    root.chmod(0o700)
    _deep(root / "evil-deep")
    (root / "link").symlink_to(tmp_path)
    discard(root)
    assert list(tmp_path.iterdir()) == []
