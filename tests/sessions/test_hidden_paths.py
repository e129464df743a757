"""Which failures of tools lead to a notice about the sandbox, and which path and setting it names."""

from pathlib import Path

import pytest

from sessions.hidden_paths import Hidden, hidden_path, hidden_words
from sessions.model import ToolOutput


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path_factory.mktemp("place")
    for name in ("home/notes", "home/.ssh", "data/logs", "work/src"):
        (root / name).mkdir(parents=True)
    (root / "home/notes/list.txt").touch()
    (root / "home/.ssh/key").touch()
    (root / "data/sessions.db").touch()
    monkeypatch.setenv("HOME", str(root / "home"))
    monkeypatch.setattr("sessions.hidden_paths._SYSTEM", ("usr", "etc"))
    return root


@pytest.mark.parametrize(
    ("text", "path", "writes"),
    [
        ("cat: {}/home/notes/list.txt: No such file or directory", "home/notes/list.txt", False),
        ("x\nsh: 1: cannot create {}/home/notes/new: Read-only file system", "home/notes/new", True),
        (
            "Error: ENOENT: no such file or directory, open '{}/home/notes/list.txt'",
            "home/notes/list.txt",
            False,
        ),
        ("EROFS: read-only file system, mkdir '{}/home/notes/new'", "home/notes/new", True),
        ("ls: cannot access '{}/home/notes/list.txt': No such file or directory", "home/notes/list.txt", False),
        # There is no such file outside either.
        ("cat: {}/home/notes/other: No such file or directory", "", False),
        # In the project, in the system, or private.
        ("cat: {}/work/src/missing: No such file or directory", "", False),
        ("touch: /usr/x: Read-only file system", "", False),
        ("cat: {}/home/.ssh/key: No such file or directory", "", False),
        ("cat: {}/data/sessions.db: No such file or directory", "", False),
        ("ls: {}: No such file or directory", "", False),
        ("all went well in {}/home/notes/list.txt", "", False),
        ("ls: /.: Permission denied", "", False),
    ],
)
def test_a_failure_on_a_hidden_path_is_named_and_no_other(
    place: Path, text: str, path: str, writes: bool
) -> None:
    private = (place / "data", place / "home")
    found = hidden_path(ToolOutput("t", text.format(place)), str(place / "work"), private)
    assert found == (Hidden(str(place / path), writes) if path else None)


def test_the_sentence_names_the_path_and_the_setting() -> None:
    assert hidden_words(Hidden("/srv/x", wants_to_write=False)).endswith("an admin names it in SANDBOX_READ.")
    assert "/srv/x" in hidden_words(Hidden("/srv/x", wants_to_write=True))
    assert "SANDBOX_WRITE" in hidden_words(Hidden("/srv/x", wants_to_write=True))
