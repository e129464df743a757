"""Pictures that tools return: stored once, the newest kept, nothing half."""

import os
from base64 import b64encode
from pathlib import Path

import pytest

import sessions.returned_pictures
from sessions.claude.lines import ToolResult
from sessions.returned_pictures import keep_pictures, returned_name


def result(call: str, data: bytes) -> ToolResult:
    picture = b64encode(data).decode()
    return ToolResult("u", call, "", is_error=False, images=1, pictures=(picture,))


def test_a_repeated_line_writes_no_picture_again(tmp_path: Path) -> None:
    keep_pictures(tmp_path, [result("a", b"first")])
    path = tmp_path / returned_name("a", 0)
    os.utime(path, (1, 1))
    keep_pictures(tmp_path, [result("a", b"first")])
    assert path.stat().st_mtime == 1


def test_a_half_picture_takes_no_place_of_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions.returned_pictures, "_MOST_FILES", 2)
    half = tmp_path / "cut-0.part"
    half.write_bytes(b"ha")
    os.utime(half, (2**33, 2**33))
    keep_pictures(tmp_path, [result("a", b"first")])
    keep_pictures(tmp_path, [result("b", b"second")])
    kept = {each.name for each in tmp_path.iterdir()}
    assert kept == {returned_name("a", 0), returned_name("b", 0)}
