"""Which failures of tools lead to a notice about the sandbox, and which path and setting it names."""

from pathlib import Path

import pytest

from sessions.hidden_paths import Hidden, given_path, hidden_path, hidden_words
from sessions.model import ToolCall, ToolOutput


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
        # Python, Go, Rust, Ruby, npm, Java and git say it in their own ways.
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '{}/home/notes/list.txt'",
            "home/notes/list.txt",
            False,
        ),
        ("OSError: [Errno 30] Read-only file system: '{}/home/notes/a b'", "home/notes/a b", True),
        ("open {}/home/notes/list.txt: no such file or directory", "home/notes/list.txt", False),
        ("mkdir {}/home/notes/new: read-only file system", "home/notes/new", True),
        (
            "error: failed to read `{}/home/notes/list.txt`\n\nCaused by:\n  No such file or directory (os 2)",
            "home/notes/list.txt",
            False,
        ),
        (
            "No such file or directory @ rb_sysopen - {}/home/notes/list.txt (Errno::ENOENT)",
            "home/notes/list.txt",
            False,
        ),
        (
            "npm error code EROFS\nnpm error syscall mkdir\nnpm error path {}/home/notes/new",
            "home/notes/new",
            True,
        ),
        ("npm ERR! code ENOENT\nnpm ERR! path {}/home/notes", "home/notes", False),
        (
            "java.io.FileNotFoundException: {}/home/notes/list.txt (No such file or directory)",
            "home/notes/list.txt",
            False,
        ),
        ("fatal: cannot change to '{}/home/notes': No such file or directory", "home/notes", False),
        (
            "error: could not lock config file {}/home/notes/config: Read-only file system",
            "home/notes/config",
            True,
        ),
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


def test_a_file_tool_that_misses_its_file_names_the_path_that_it_was_given(place: Path) -> None:
    call = ToolCall("t", "Read", {"file_path": str(place / "home/notes/list.txt")})
    output = ToolOutput("t", "File does not exist.", is_error=True)
    asked = (str(place / "work"), (place / "data", place / "home"), given_path(call))
    assert hidden_path(output, *asked) == Hidden(str(place / "home/notes/list.txt"), wants_to_write=False)
    assert hidden_path(ToolOutput("t", "1 line"), *asked) is None
    assert given_path(ToolCall("t", "Bash", {"command": "/x"})) == ""


def test_the_sentence_names_the_path_and_the_setting() -> None:
    assert hidden_words(Hidden("/srv/x", wants_to_write=False)).endswith("an admin names it in SANDBOX_READ.")
    assert "/srv/x" in hidden_words(Hidden("/srv/x", wants_to_write=True))
    assert "SANDBOX_WRITE" in hidden_words(Hidden("/srv/x", wants_to_write=True))
