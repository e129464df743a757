"""The store of a project: a bare repository of our own, with the snapshots of all its work directories.

A snapshot is one commit without parents and one ref, so that deleting the ref frees what only it held. The
directory has the repository (`git/`), one stat cache a work directory (`caches/`) and a lock file. Every writer
holds the lock.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha1
from pathlib import Path

import msgspec

from storage.files import make_directory, write_whole
from workdirs.coverage import from_message
from workdirs.errors import CheckpointFailed, GitFailed, StoreDamaged, StoreMissing, WhyNoCheckpoint
from workdirs.git import MEGABYTE, GitCall, Kind, run, start
from workdirs.model import Coverage, Entry, EntryMode, FilePath, ObjectId

REFS = "refs/checkpoints/"
# What would change bytes between store and disk, or name a program, is closed for all files.
_ATTRIBUTES = "* -text -ident !eol !filter !working-tree-encoding !merge !diff\n"
_LOCK_PAUSE_S = 0.05
_REPACK_DEADLINE_S = 600.0
_LOOSE_TOO_MANY = 2000
_PACKS_TOO_MANY = 20
# So many ids fit into a pipe. With more, git could wait to print while we wait to write.
_BATCH = 32


class Store(msgspec.Struct, frozen=True):
    """The place of one project's snapshots. Making this value touches nothing."""

    directory: Path

    @property
    def git_dir(self) -> Path:
        """The bare repository."""
        return self.directory / "git"

    def cache(self, name: str) -> Path:
        """The stat cache of the work directory of that name."""
        return self.directory / "caches" / name

    def call(
        self, *arguments: str, stdin: bytes = b"", deadline_s: float = 30.0, max_output: int = 64 * MEGABYTE
    ) -> GitCall:
        """Return a call of git about this store."""
        return GitCall(
            Kind.OURS, self.git_dir, arguments, stdin=stdin, deadline_s=deadline_s, max_output=max_output
        )

    def prepare(self) -> None:
        """Make the repository if it is missing. Raises `GitMissing`, `GitFailed`, `OSError`."""
        attributes, wanted = self.git_dir / "info" / "attributes", _ATTRIBUTES.encode()
        # By its content: a process that was killed here may have left an empty file.
        with suppress(OSError):
            if attributes.read_bytes() == wanted:
                return
        make_directory(self.directory)
        # No template: that would be hooks of the machine. Shared with nobody: the files of projects lie here.
        run(self.call("init", "-q", "--bare", "--template=", "--initial-branch=none", "--shared=0600"))
        make_directory(self.git_dir / "info")
        # Last, and whole: it says that the repository is made.
        write_whole(attributes, wanted)

    @contextmanager
    def locked(self, deadline_s: float = 60.0) -> Iterator[None]:
        """Hold the store's lock. Raises `CheckpointFailed` if another process keeps it past the deadline."""
        make_directory(self.directory)
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + deadline_s
            # Tried again and again, because `flock` itself has no deadline.
            while not _try_lock(descriptor):
                if time.monotonic() > until:
                    raise CheckpointFailed(
                        WhyNoCheckpoint.TOO_SLOW, "another checkpoint of this project is still being written"
                    )
                time.sleep(_LOCK_PAUSE_S)
            yield
        finally:
            # Closing gives the lock back. The kernel closes the file of a killed process, so no lock stays
            # behind.
            os.close(descriptor)

    def mark_writing(self) -> None:
        """Note that objects are being written, so that a later `sweep` knows of a killed writer."""
        self._mark.touch(mode=0o600)

    def unmark_writing(self) -> None:
        """Note that nothing was left behind."""
        self._mark.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete what killed writers left, if there was one. The caller holds the lock."""
        if not self._mark.exists():
            return
        for pattern in (
            *("objects/pack/tmp_*", "objects/pack/.tmp-*", "objects/??/tmp_obj_*"),
            *("fast_import_crash_*", "refs/checkpoints/*.lock", "packed-refs.lock"),
        ):
            for left in self.git_dir.glob(pattern):
                left.unlink(missing_ok=True)
        self.unmark_writing()

    @property
    def _mark(self) -> Path:
        return self.directory / "writing"

    def old_refs(self, age_s: float) -> list[str]:
        """Return the refs of checkpoints that were written longer ago than `age_s`."""
        found, before = [], time.time() - age_s
        for path in (self.git_dir / REFS).glob("*"):
            with suppress(FileNotFoundError):
                if path.suffix != ".lock" and path.stat().st_mtime < before:
                    found.append(f"{REFS}{path.name}")
        return found

    def holds(self, ref: str, commit: str) -> bool:
        """Whether `ref` keeps `commit` alive. Reads one file: refs are never packed here."""
        try:
            return (self.git_dir / ref).read_bytes().strip() == commit.encode() != b""
        except OSError:
            return False

    def coverage(self, commit: ObjectId) -> Coverage:
        """Return the facts of a checkpoint that its tree does not have. Raises `StoreMissing`."""
        return self.coverages(commit)[0]

    def coverages(self, *commits: ObjectId) -> list[Coverage]:
        """Return `coverage` of several checkpoints, with one start of git. Raises `StoreMissing`."""
        wanted = "".join(f"{commit}\n" for commit in commits)
        out = run(self.call("cat-file", "--batch", stdin=wanted.encode())).out
        found = []
        for commit in commits:
            head, _, rest = out.partition(b"\n")
            fields = head.split()
            if len(fields) != 3 or fields[1] != b"commit":
                raise StoreMissing(commit)
            size = int(fields[2])
            try:
                found.append(from_message(rest[:size].decode().partition("\n\n")[2]))
            except (ValueError, KeyError, TypeError, AttributeError) as error:  # a bundle may say anything
                raise StoreMissing(commit) from error
            out = rest[size + 1 :]
        return found

    def tree(self, commit: ObjectId) -> dict[FilePath, Entry]:
        """Return all entries of a checkpoint. Raises `StoreMissing`."""
        try:
            answer = run(self.call("ls-tree", "-r", "-z", "--full-tree", commit))
        except GitFailed as error:
            raise StoreMissing(commit) from error
        entries = {}
        for line in answer.out.split(b"\0"):
            if line:
                head, _, path = line.partition(b"\t")
                mode, _, blob = head.split(b" ")
                entries[FilePath(path)] = Entry(EntryMode(mode.decode()), ObjectId(blob.decode()))
        return entries

    def differences(self, old: ObjectId, new: ObjectId) -> dict[FilePath, tuple[Entry | None, Entry | None]]:
        """Return the paths in which two checkpoints differ, with both entries. Raises `StoreMissing`."""
        try:
            trees = (f"{old}^{{tree}}", f"{new}^{{tree}}")
            answer = run(self.call("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", *trees))
        except GitFailed as error:
            raise StoreMissing(new) from error
        fields = answer.out.split(b"\0")
        found = {}
        for head, path in zip(fields[0::2], fields[1::2], strict=False):
            old_mode, new_mode, old_blob, new_blob, _ = head[1:].decode().split(" ")
            found[FilePath(path)] = (_entry(old_mode, old_blob), _entry(new_mode, new_blob))
        return found

    def blobs(self, wanted: Sequence[tuple[FilePath, ObjectId]]) -> Iterator[tuple[FilePath, bytes]]:
        """Yield the contents in order, each checked against its id. Raises `StoreDamaged`."""
        if not wanted:
            return
        with start(self.call("cat-file", "--batch")) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                for begin in range(0, len(wanted), _BATCH):
                    batch = wanted[begin : begin + _BATCH]
                    with suppress(BrokenPipeError):  # then the answer is missing, too
                        process.stdin.write(b"".join(b"%s\n" % blob.encode() for _, blob in batch))
                        process.stdin.flush()
                    for path, blob in batch:
                        head = process.stdout.readline().split()
                        if len(head) != 3 or head[1] != b"blob":
                            raise StoreDamaged(path)
                        data = process.stdout.read(int(head[2]))
                        # git puts a line feed behind each content.
                        process.stdout.read(1)
                        if sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() != blob:
                            raise StoreDamaged(path)
                        yield path, data
            finally:
                # A reader may stop early, and git would go on waiting for ids.
                process.kill()

    def size(self) -> int:
        """Return how many bytes the objects take on the disk."""
        return sum(each.size for each in self._object_files())

    def delete_refs(self, refs: Sequence[str]) -> None:
        """Delete refs; missing ones count as deleted. The caller holds the lock."""
        lines = "".join(f"delete {ref}\n" for ref in refs)
        run(self.call("update-ref", "--stdin", stdin=lines.encode()))

    def needs_packing(self) -> bool:
        """Whether so many files have gathered that packing them pays."""
        loose, packs = 0, 0
        for each in self._object_files():
            packs += each.name.endswith(".pack")
            loose += "." not in each.name
        return loose > _LOOSE_TOO_MANY or packs > _PACKS_TOO_MANY

    def pack(self) -> None:
        """Pack all that refs hold, and drop the rest. The caller holds the lock."""
        self.mark_writing()
        run(self.call("repack", "-a", "-d", "-q", deadline_s=_REPACK_DEADLINE_S))
        run(self.call("prune", "--expire=now", deadline_s=_REPACK_DEADLINE_S))
        self.unmark_writing()

    def _object_files(self) -> Iterator["_ObjectFile"]:
        for directory, _, names in os.walk(self.git_dir / "objects"):
            for name in names:
                with suppress(OSError):
                    # Blocks of 512 bytes, whatever the disk uses: the room taken, which for small files
                    # exceeds their size.
                    yield _ObjectFile(name, os.stat(os.path.join(directory, name)).st_blocks * 512)  # noqa: PTH116, PTH118


class _ObjectFile(msgspec.Struct, frozen=True):
    name: str
    size: int


def _entry(mode: str, blob: str) -> Entry | None:
    return None if mode == "000000" else Entry(EntryMode(mode), ObjectId(blob))


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
