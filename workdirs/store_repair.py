"""Removes what a power cut left half written in a store, so that checkpoints can be taken again.

git writes loose objects and refs without waiting for the disk. After a power cut some are empty or cut, and one
of them makes every later checkpoint and every packing fail. Contents of earlier checkpoints may go with them.
Such a checkpoint says that its files are no longer stored, or that it is damaged. It is never restored in part.
"""

import zlib
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path

from workdirs.errors import GitFailed
from workdirs.git import run
from workdirs.store import REFS, Store

_INDEX_MAGIC = b"\377tOc"
_HASH_BYTES = 20
_OBJECT_NAME = 38


def repair(store: Store) -> bool:
    """Remove what is broken and return whether anything was. The caller holds the lock.

    Raises `OSError`, `GitFailed`.
    """
    # Missing parts first: git answers nothing without them. Refs last: they are judged by the objects left.
    broken = [*_missing_parts(store.git_dir), *_broken_loose(store.git_dir), *_broken_packs(store)]
    broken += _broken_refs(store)
    if broken:
        # The caches list the removed objects as stored. Without them the next checkpoint stores all again.
        for cache in (store.directory / "caches").glob("*"):
            cache.unlink(missing_ok=True)
    return bool(broken)


def _missing_parts(git_dir: Path) -> Iterator[Path]:
    """Make the parts without which git takes the directory for no repository. Yield those that were made."""
    for name in ("objects", "refs"):
        if not (git_dir / name).is_dir():
            (git_dir / name).mkdir(mode=0o700)
            yield git_dir / name
    head = git_dir / "HEAD"
    if not head.is_file() or not head.read_bytes().startswith(b"ref: refs/"):
        head.write_bytes(b"ref: refs/heads/none\n")
        yield head


def _broken_loose(git_dir: Path) -> Iterator[Path]:
    """Delete the loose objects that are not what their names say, and yield them."""
    # git does not wait for the disk: with `core.fsync=all` that would cost more than the checkpoint itself.
    for path in git_dir.glob("objects/[0-9a-f][0-9a-f]/*"):
        if len(path.name) != _OBJECT_NAME:
            continue
        try:
            content = zlib.decompress(path.read_bytes())
            is_whole = sha1(content, usedforsecurity=False).hexdigest() == path.parent.name + path.name
        except zlib.error:
            is_whole = False
        if not is_whole:
            path.unlink()
            yield path


def _broken_packs(store: Store) -> Iterator[Path]:
    """Index the packs anew whose index is broken, and delete those that are cut. Yield both.

    A pack with a wrong byte stays: what else it holds can be read.
    """
    for pack in (store.git_dir / "objects" / "pack").glob("pack-*.pack"):
        index = pack.with_suffix(".idx")
        if _belong_together(pack, index):
            continue
        index.unlink(missing_ok=True)
        try:
            run(store.call("index-pack", str(pack), deadline_s=600.0))
        except GitFailed:
            for each in (pack, index, pack.with_suffix(".rev")):
                each.unlink(missing_ok=True)
        yield pack


def _belong_together(pack: Path, index: Path) -> bool:
    """Whether both are whole as far as git looks before it reads: each ends with a checksum of the pack."""
    try:
        with pack.open("rb") as packed, index.open("rb") as indexed:
            if packed.read(4) != b"PACK" or indexed.read(4) != _INDEX_MAGIC:
                return False
            packed.seek(-_HASH_BYTES, 2)
            indexed.seek(-2 * _HASH_BYTES, 2)
            return packed.read() == indexed.read(_HASH_BYTES)
    except OSError:
        return False


def _broken_refs(store: Store) -> list[Path]:
    """Delete the refs whose checkpoint is gone, and return them."""
    refs = {path: path.read_bytes().strip() for path in (store.git_dir / REFS).glob("*")}
    wanted = [path for path, commit in refs.items() if len(commit) == 2 * _HASH_BYTES]
    asked = b"".join(b"%s^{tree}\n" % refs[path] for path in wanted)
    lines = run(store.call("cat-file", "--batch-check", stdin=asked)).out.splitlines() if wanted else []
    kept = {path for path, line in zip(wanted, lines, strict=True) if b" tree " in line}
    broken = [path for path in refs if path not in kept]
    for path in broken:
        path.unlink()
    return broken
