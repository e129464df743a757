"""Stores files, a tree, a commit and its ref in one process: the stream of `git fast-import`.

fast-import takes bytes as they are: no filter, no line ends, no attributes. It checks no path either (it took
`../evil`), so callers pass checked ones only. Format: git-fast-import(1).
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from workdirs.errors import GitFailed
from workdirs.git import GitCall, Kind, start
from workdirs.model import EMPTY_TREE, FilePath, ObjectId

_PERSON = b"committer claude-bridge <bridge@localhost> %d +0000\n"


class FastImport:
    """One running `git fast-import`. Nothing is kept unless `commit` returned. Use it in a `with`."""

    def __init__(self, git_dir: Path) -> None:
        # No deltas: files that follow each other differ, so trying costs a quarter of the time for nothing.
        # What is alike is found when the store is packed.
        # `--done`: a stream that ends without this word, because its writer was killed, is an error and moves
        # no ref.
        options = ("--quiet", "--done", "--date-format=raw", "--depth=0")
        self._call = GitCall(Kind.OURS, git_dir, ("fast-import", *options))
        self._process = start(self._call)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            # Before `done` no ref has moved. The unfinished pack is deleted by `Store.sweep`.
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()

    def add_blob(self, data: bytes) -> None:
        """Store the content of a file."""
        try:
            self._stdin.write(b"blob\ndata %d\n" % len(data))
            self._stdin.write(data)
            self._stdin.write(b"\n")
        except BrokenPipeError:
            raise self._failure() from None

    def commit(self, new: "NewCommit") -> tuple[ObjectId, ObjectId]:
        """Store the commit and its ref; return its id and its tree's. Raises `GitFailed`."""
        try:
            self._stdin.write(_as_stream(new))
            self._stdin.flush()
            self._stdin.close()
        except BrokenPipeError:
            raise self._failure() from None
        assert self._process.stdout is not None
        printed = self._process.stdout.read().split()
        # The answers to `get-mark` and `ls`: the id of the commit, then `040000 tree` and the id of its tree.
        if self._process.wait() != 0 or len(printed) < 4:
            raise self._failure()
        return ObjectId(printed[0].decode()), ObjectId(printed[3].decode())

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _failure(self) -> GitFailed:
        assert self._process.stderr is not None
        said = self._process.stderr.read(4000).decode(errors="replace")
        return GitFailed(self._call.command, self._process.wait(), said)


class NewCommit:
    """A new commit without a parent: its tree is another tree with deletions and changes."""

    def __init__(self, ref: str, message: str, time_s: int, base: ObjectId) -> None:
        self.ref = ref
        self.message = message
        self.time_s = time_s
        self.base = base
        self.deleted: list[FilePath] = []
        self.changed: list[tuple[FilePath, str, str]] = []
        """Path, mode and blob."""


def quoted(path: bytes) -> bytes:
    """Quote a path for fast-import, as C does. Other bytes stay as they are."""
    return b'"' + path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _as_stream(new: NewCommit) -> bytes:
    message = os.fsencode(new.message)
    lines = [b"commit %s\nmark :1\n" % new.ref.encode(), _PERSON % new.time_s]
    lines.append(b"data %d\n%s\n" % (len(message), message))
    # The files of the snapshot before without a `from`: a parent would keep all older snapshots alive.
    if new.base != EMPTY_TREE:
        lines.append(b'M 040000 %s ""\n' % new.base.encode())
    # Deletions first: a file may stand where a directory was.
    lines.extend(_deletions(new.deleted))
    lines.extend(
        b"M %s %s %s\n" % (mode.encode(), blob.encode(), quoted(path)) for path, mode, blob in new.changed
    )
    lines.append(b'\nget-mark :1\nls :1 ""\ndone\n')
    return b"".join(lines)


def _deletions(paths: Iterable[FilePath]) -> Iterable[bytes]:
    return (b"D %s\n" % quoted(path) for path in paths)
