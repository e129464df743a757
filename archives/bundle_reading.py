"""Reads a bundle that may be damaged or hostile. Blocks.

`check_bundle` looks at all of it before anybody writes anything: names, kinds, sizes, count, manifest, hashes.
"""

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from archives.errors import BundleRefused
from archives.manifest import MAX_BYTES, NAME, Manifest, ManifestEntry, from_json

_CHUNK = 1 << 18
_SMALL = 1 << 20
# `zipfile` raises all of these for damaged or strange files.
_BAD = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class BundleLimits:
    """The limits of a bundle. `max_ratio` bounds the growth of entries over a megabyte, and of the whole."""

    max_entries: int = 100_000
    max_bytes: int = 16 * 2**30
    max_ratio: int = 200


def check_bundle(path: Path, limits: BundleLimits | None = None) -> Manifest:
    """Read every byte of the bundle and return its manifest. Raises `BundleRefused`; writes nothing."""
    with opened(path) as bundle:
        infos = bundle.infolist()
        _check_names(infos)
        _check_sizes(infos, path.stat().st_size, limits or BundleLimits())
        manifest = from_json(_read(bundle, NAME, MAX_BYTES))
        _check_listed(infos, manifest)
        for entry in manifest.entries:
            _check_content(bundle, entry)
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Return the manifest alone, without a look at the files. Raises `BundleRefused`."""
    with opened(path) as bundle:
        return from_json(_read(bundle, NAME, MAX_BYTES))


def read_entry(path: Path, entry: ManifestEntry) -> bytes:
    """Return the content of a file of a checked bundle. Raises `BundleRefused` if it changed since."""
    with opened(path) as bundle:
        data = _read(bundle, entry.path, entry.size)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise BundleRefused(entry.path, "its content is not what the manifest says")
    return data


def write_entry(path: Path, entry: ManifestEntry, target: Path) -> None:
    """Write a file of a checked bundle to `target`, which must not exist. Raises as `read_entry`, `OSError`."""
    digest = hashlib.sha256()
    with opened(path) as bundle, target.open("xb") as out:
        target.chmod(0o600)
        for chunk in _chunks(bundle, entry.path, entry.size):
            digest.update(chunk)
            out.write(chunk)
    if digest.hexdigest() != entry.sha256:
        target.unlink()
        raise BundleRefused(entry.path, "its content is not what the manifest says")


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the ZIP. Raises `BundleRefused` for any other file."""
    try:
        bundle = zipfile.ZipFile(path)
    except _BAD as error:
        raise BundleRefused("", "this is not a ZIP file, or it is cut off") from error
    with bundle:
        yield bundle


def _check_names(infos: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for info in infos:
        # `orig_filename` is the name as it stands in the file: `filename` is cut at a NUL.
        name = info.orig_filename
        if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
            raise BundleRefused(name, "its name is absolute")
        parts = name.split("/")
        if ".." in parts:
            raise BundleRefused(name, "its name leads out of the bundle")
        if "\\" in name or "\0" in name or not all(parts) or "." in parts:
            raise BundleRefused(name, "its name is not one that the bridge writes")
        if name in seen:
            raise BundleRefused(name, "its name is there twice")
        seen.add(name)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if stat.S_ISLNK(kind):
            raise BundleRefused(name, "it is a link")
        # 0: an archive that was not made on Unix stores no kind.
        if info.is_dir() or kind not in (0, stat.S_IFREG):
            raise BundleRefused(name, "it is no file")
        if info.flag_bits & 0x1:
            raise BundleRefused(name, "it is encrypted")
    for name in seen:
        above = name.split("/")[:-1]
        for depth in range(1, len(above) + 1):
            if "/".join(above[:depth]) in seen:
                raise BundleRefused(name, "a file stands where its directory should be")


def _check_sizes(infos: list[zipfile.ZipInfo], file_size: int, limits: BundleLimits) -> None:
    if len(infos) > limits.max_entries:
        raise BundleRefused("", f"it has more than {limits.max_entries:,} files")
    for info in infos:
        if info.file_size > max(_SMALL, limits.max_ratio * info.compress_size):
            raise BundleRefused(info.filename, "it grows too much when it is unpacked")
    total = sum(info.file_size for info in infos)
    # Entries that overlap in the file are small each, so the whole is compared, too.
    if total > limits.max_bytes or total > max(_SMALL, limits.max_ratio * file_size):
        raise BundleRefused("", "it grows too much when it is unpacked")


def _check_listed(infos: list[zipfile.ZipInfo], manifest: Manifest) -> None:
    listed: set[str] = set()
    there = {info.filename: info for info in infos if info.filename != NAME}
    for entry in manifest.entries:
        if entry.path in listed:
            raise BundleRefused(entry.path, "the manifest names it twice")
        listed.add(entry.path)
        info = there.get(entry.path)
        if info is None:
            raise BundleRefused(entry.path, "it is missing")
        # Later readings take the size in the manifest for the limit.
        if info.file_size != entry.size:
            raise BundleRefused(entry.path, "its size is not what the manifest says")
    for name in there:
        if name not in listed:
            raise BundleRefused(name, "the manifest does not name it")


def _check_content(bundle: zipfile.ZipFile, entry: ManifestEntry) -> None:
    digest = hashlib.sha256()
    for chunk in _chunks(bundle, entry.path, entry.size):
        digest.update(chunk)
    if digest.hexdigest() != entry.sha256:
        raise BundleRefused(entry.path, "its content is not what the manifest says")


def _read(bundle: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    return b"".join(_chunks(bundle, name, max_bytes))


def _chunks(bundle: zipfile.ZipFile, name: str, max_bytes: int) -> Iterator[bytes]:
    """Yield the content. A header may lie about its size, so reading ends with an error past `max_bytes`."""
    size = 0
    try:
        with bundle.open(name) as file:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                if size > max_bytes:
                    raise BundleRefused(name, "it is larger than it says")
                yield chunk
    except KeyError as error:
        raise BundleRefused(name, "it is missing") from error
    except _BAD as error:
        raise BundleRefused(name, "it is damaged") from error
