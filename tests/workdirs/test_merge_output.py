"""`parse_merge_output` against the output of the installed git, and against output that is cut or hostile."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workdirs.merge_output import (
    CleanMerge,
    ConflictedMerge,
    ConflictKind,
    NothingMerged,
    parse_merge_output,
)

_K = ConflictKind
_TREE = b"4cc2b83683e758039245e534f25039583ae4f751"
Edit = Callable[[Path], None]


class Repository:
    """A repository with the branches `base`, `ours` and `theirs`, each one commit."""

    def __init__(self, root: Path, base: Edit, ours: Edit, theirs: Edit) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "-q", "-b", "base")
        for name, edit in (("base", base), ("ours", ours), ("theirs", theirs)):
            if name != "base":
                self.git("checkout", "-q", "-b", name, "base")
            edit(root)
            self.git("add", "-A")
            self.git("commit", "-q", "--allow-empty", "-m", name)

    def git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {**who, "PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
        return subprocess.run(
            ["git", *arguments], cwd=self.root, env=environment, capture_output=True, check=False
        )

    def merge(self, target: str, source: str) -> CleanMerge | ConflictedMerge | NothingMerged:
        done = self.git("merge-tree", "--write-tree", "-z", "--messages", target, source)
        return parse_merge_output(done.returncode, done.stdout, done.stderr)


def _wrote(*files: tuple[bytes, bytes]) -> Edit:
    def edit(root: Path) -> None:
        for name, content in files:
            path = Path(os.fsdecode(os.path.join(os.fsencode(root), name)))  # noqa: PTH118 (bytes)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    return edit


def _renamed(old: str, new: str, *files: tuple[bytes, bytes]) -> Edit:
    def edit(root: Path) -> None:
        (root / old).rename(root / new)
        _wrote(*files)(root)

    return edit


def _removed(name: str, *files: tuple[bytes, bytes]) -> Edit:
    def edit(root: Path) -> None:
        (root / name).unlink()
        _wrote(*files)(root)

    return edit


def _linked(root: Path) -> None:
    (root / "new").symlink_to("elsewhere")


_LONG = b"one\ntwo\nthree\nfour\nfive\n"
_MANY = tuple((f"d/{n}".encode(), b"text %d\n" % n * 5) for n in range(4))


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "kinds", "path"),
    [
        (_wrote((b"f", b"a\n")), _wrote((b"f", b"b\n")), _wrote((b"f", b"c\n")), {_K.CONTENTS}, b"f"),
        (
            _wrote((b"f", b"\0a")),
            _wrote((b"f", b"\0b")),
            _wrote((b"f", b"\0c")),
            {_K.BINARY, _K.CONTENTS},
            b"f",
        ),
        (_wrote((b"f", b"a\n")), _removed("f"), _wrote((b"f", b"c\n")), {_K.MODIFY_DELETE}, b"f"),
        (_wrote((b"f", _LONG)), _renamed("f", "g"), _renamed("f", "h"), {_K.RENAME_RENAME}, b"f"),
        (_wrote((b"f", _LONG)), _renamed("f", "g"), _removed("f"), {_K.RENAME_DELETE}, b"g"),
        (
            _wrote((b"x", b"")),
            _wrote((b"p", b"1\n")),
            _wrote((b"p/in", b"2\n")),
            {_K.FILE_DIRECTORY},
            b"p~ours",
        ),
        (_wrote((b"x", b"")), _wrote((b"new", b"1\n")), _linked, {_K.DISTINCT_MODES}, b"new~ours"),
        (_wrote(*_MANY), _renamed("d", "e"), _wrote((b"d/9", b"9\n")), {_K.DIRECTORY_RENAME}, b"e/9"),
        (
            _wrote((b"a\n\t\xff", b"a\n")),
            _wrote((b"a\n\t\xff", b"b\n")),
            _wrote((b"a\n\t\xff", b"c\n")),
            {_K.CONTENTS},
            b"a\n\t\xff",
        ),
        (
            _wrote((b"CONFLICT (binary)", b"a\n")),
            _wrote((b"CONFLICT (binary)", b"b\n")),
            _wrote((b"CONFLICT (binary)", b"c\n")),
            {_K.CONTENTS},
            b"CONFLICT (binary)",
        ),
    ],
    ids=lambda value: value.decode("latin-1") if isinstance(value, bytes) else "",
)
def test_each_kind_of_conflict_is_named_with_its_file(
    tmp_path: Path, base: Edit, ours: Edit, theirs: Edit, kinds: set[ConflictKind], path: bytes
) -> None:
    merged = Repository(tmp_path / "r", base, ours, theirs).merge("ours", "theirs")
    assert isinstance(merged, ConflictedMerge)
    assert {each.kind for each in merged.conflicts} == kinds
    assert path in merged.paths
    assert all("\n" not in each.words and each.words for each in merged.conflicts)


def test_a_bad_revision_and_strange_histories_are_no_conflict(tmp_path: Path) -> None:
    repository = Repository(
        tmp_path / "r", _wrote((b"f", b"a\n")), _wrote((b"g", b"b\n")), _wrote((b"h", b"c\n"))
    )
    assert isinstance(repository.merge("ours", "theirs"), CleanMerge)
    assert isinstance(repository.merge("ours", "ours"), CleanMerge)
    bad = repository.merge("ours", "no-such-branch")
    assert isinstance(bad, NothingMerged)
    assert "no-such-branch" in bad.words
    repository.git("checkout", "-q", "--orphan", "island")
    repository.git("commit", "-q", "-m", "unrelated")
    assert isinstance(repository.merge("ours", "island"), NothingMerged)


@given(st.binary(max_size=200), st.sampled_from([0, 1, 2, 128, -9]), st.integers(0, 400))
def test_output_that_is_cut_or_hostile_raises_nothing(noise: bytes, code: int, cut: int) -> None:
    whole = _TREE + b"\0100644 " + _TREE + b" 2\tf\0\0" + b"1\0f\0CONFLICT (contents)\0words\n\0"
    parse_merge_output(code, noise)
    parse_merge_output(1, _TREE + b"\0" + noise)
    parse_merge_output(1, whole[:cut] + noise)


def test_an_unknown_kind_is_kept_as_other() -> None:
    merged = parse_merge_output(1, _TREE + b"\0\0" + b"1\0f\0CONFLICT (of a later git)\0words\n\0")
    assert isinstance(merged, ConflictedMerge)
    assert merged.conflicts[0].kind is ConflictKind.OTHER
    assert merged.paths == (b"f",)
