"""Writes a bundle: one ZIP file with a manifest of all that is in it. Blocks.

The ZIP is written beside its place and takes it in one step, so a bundle is whole or not there.
"""

import hashlib
import os
import secrets
import stat
import time
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from archives.manifest import NAME, Manifest, ManifestEntry, to_json
from faults import crash_point
from storage.files import make_directory
from texts.os_text import is_clean

_CHUNK = 1 << 18
_LEVEL = 6
TEMPORARY = ".part-"
"""Files whose name begins so were left by a killed writer."""


def is_bundle_name(name: str) -> bool:
    """Whether a file of this name can be in a bundle: parts joined by `/`, none of them special."""
    parts = name.split("/")
    # A colon in the second place: on Windows, such a name begins with a drive.
    is_plain = "\\" not in name and "\0" not in name and name[1:2] != ":" and name != NAME
    return is_plain and all(parts) and ".." not in parts and "." not in parts and is_clean(name)


@dataclass(frozen=True, slots=True)
class Source:
    """A file for a bundle: its path there, and its content or the place of it.

    A `packed` one is compressed already. `mode` counts for content; a file on the disk has its own.
    """

    path: str
    content: bytes | Path
    packed: bool = False
    mode: int = 0o600


def write_bundle(target: Path, sources: Iterable[Source], head: Manifest) -> Manifest:
    """Write the bundle and return its manifest: `head` with the entries. Raises `OSError`.

    A source that is gone, no plain file or a link is left out, and one whose name a bundle cannot have.
    """
    make_directory(target.parent)
    draft = target.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    entries: list[ManifestEntry] = []
    try:
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as bundle:
                entries.extend(entry for each in sources if (entry := _add(bundle, each)) is not None)
                # The manifest comes last: only now the hashes of all files are known.
                manifest = Manifest(
                    kind=head.kind,
                    name=head.name,
                    made_ms=head.made_ms,
                    facts=head.facts,
                    entries=tuple(entries),
                )
                bundle.writestr(_info(NAME, 0o600), to_json(manifest))
            file.flush()
            # The content before the name: a loss of power leaves no half bundle under it.
            os.fsync(file.fileno())
        crash_point("bundle.written")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return manifest


def sha256_of(path: Path) -> str:
    """Return the hash of a file as hexadecimal digits. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(directory: Path) -> None:
    """Delete what killed writers left in a directory."""
    for left in directory.glob(f"{TEMPORARY}*"):
        left.unlink(missing_ok=True)


def _add(bundle: zipfile.ZipFile, source: Source) -> ManifestEntry | None:
    if not is_bundle_name(source.path):
        return None
    if isinstance(source.content, bytes):
        bundle.writestr(_info(source.path, source.mode, packed=source.packed), source.content)
        digest = hashlib.sha256(source.content).hexdigest()
        return ManifestEntry(source.path, len(source.content), digest, source.mode)
    try:
        # `O_NONBLOCK`: opening a FIFO would wait for a writer.
        descriptor = os.open(source.content, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return None
        info = _info(source.path, found.st_mode & 0o777, packed=source.packed)
        counted, size = hashlib.sha256(), 0
        # The size is not known yet, and the usual header has four bytes for it.
        with bundle.open(info, "w", force_zip64=True) as out:
            # Counted here and not taken from `fstat`: the file may grow while it is read.
            while chunk := file.read(_CHUNK):
                counted.update(chunk)
                size += len(chunk)
                out.write(chunk)
    return ManifestEntry(source.path, size, counted.hexdigest(), found.st_mode & 0o777)


def _info(path: str, mode: int, *, packed: bool = False) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, time.localtime()[:6])
    info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    info.create_system = 3  # Unix: the mode below counts
    info.external_attr = (stat.S_IFREG | mode) << 16
    return info
