"""Paths below a work directory: which are stored, and that no link leads outside."""

import os
import stat
from pathlib import Path

import pytest

from workdirs.errors import UnsafePath
from workdirs.model import FilePath
from workdirs.paths import WorkTree, check, is_storable


@pytest.mark.parametrize(
    "path",
    [
        b"a",
        b"a/b",
        b".gitignore",
        b"a/.github/x",
        b"-f",
        b":a",
        b" a ",
        b"\xff\xfe",
        b"a\nb",
        b"..a",
        b"g",
        b"git",
    ],
)
def test_any_name_of_a_file_is_stored(path: bytes) -> None:
    assert check(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *(b"", b"/a", b"a/", b"a//b", b"a\0b", b".", b"..", b"a/..", b"a/../b", b"./a"),
        *(b".git", b"a/.git/config", b".GIT/x", b".git ", b".git. .", b"GIT~1", b".git:x", b".git::$INDEX/x"),
        ".g\u200cit".encode(),
        ".GI\ufeffT/config".encode(),
        "\u200c.git".encode(),
    ],
)
def test_a_part_that_means_something_else_is_refused(path: bytes) -> None:
    assert not is_storable(path)
    with pytest.raises(UnsafePath):
        check(path)


def test_no_link_leads_out_of_the_tree(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    (outside / "sub").mkdir(parents=True)
    (outside / "secret").write_text("secret")
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    (inside / "file").symlink_to(outside / "secret")
    with WorkTree(inside) as tree:
        assert tree.stat(FilePath(b"link/secret")) is None
        assert tree.read_link(FilePath(b"file")) == os.fsencode(outside / "secret")
        for path in (b"link/secret", b"file"):
            with pytest.raises(OSError, match=r"symbolic|directory"):
                os.close(tree.open_file(FilePath(path)))
        with pytest.raises(OSError, match=r"symbolic|directory"):
            tree.parent(FilePath(b"link/sub/new"), create=True)


def test_missing_directories_are_made_below_the_tree(tmp_path: Path) -> None:
    with WorkTree(tmp_path) as tree:
        descriptor, name = tree.parent(FilePath(b"a/b/c"), create=True)
        assert name == b"c"
        assert os.path.samestat(os.fstat(descriptor), (tmp_path / "a" / "b").stat())
        assert tree.stat(FilePath(b"a/b/c")) is None
        assert tree.stat(FilePath(b"x/y")) is None


def test_a_link_in_the_place_of_a_new_directory_gets_no_bits(tmp_path: Path) -> None:
    """A program may swap a directory for a link while files are put back."""
    private, place = tmp_path / "private", tmp_path / "place"
    private.mkdir(mode=0o700)
    place.mkdir()
    with WorkTree(place, {FilePath(b"open"): 0o755, FilePath(b"kept"): 0o750}) as work_tree:
        for path in (b"open/file", b"kept/file"):
            work_tree.parent(FilePath(path), create=True)
        (place / "open").rmdir()
        (place / "open").symlink_to(private)
        work_tree.settle()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert stat.S_IMODE((place / "kept").stat().st_mode) == 0o750
