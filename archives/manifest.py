"""The manifest of a bundle or backup: every file with size, sha256 and mode, and facts about the whole."""

import msgspec

from archives.errors import BundleRefused

FORMAT = "claude-bridge-backup"
SCHEMA = 1
NAME = "manifest.json"
MAX_BYTES = 64 * 2**20


class ManifestEntry(msgspec.Struct, frozen=True):
    """One file. `path` has parts joined by `/`; `mode` has the permission bits."""

    path: str
    size: int
    sha256: str
    mode: int = 0o600


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole. `kind` is session, daily or milestone; `facts` are words of the maker, for people."""

    format: str = FORMAT
    schema: int = SCHEMA
    kind: str
    name: str
    made_ms: int
    facts: dict[str, str] = {}
    entries: tuple[ManifestEntry, ...]

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(each.size for each in self.entries)


class _Head(msgspec.Struct):
    format: str = ""
    schema: int = 0


_heads = msgspec.json.Decoder(_Head)
_manifests = msgspec.json.Decoder(Manifest)


def to_json(manifest: Manifest) -> bytes:
    """Return the manifest as JSON in UTF-8."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def from_json(data: bytes) -> Manifest:
    """Read a manifest. Raises `BundleRefused` for a newer schema and for anything that is no manifest."""
    try:
        # The head alone first: a newer schema may have fields that cannot be read here.
        head = _heads.decode(data)
    except (ValueError, RecursionError) as error:
        raise BundleRefused(NAME, "this is no manifest") from error
    if head.format != FORMAT:
        raise BundleRefused(NAME, "this is not a backup that the bridge made")
    if head.schema > SCHEMA:
        raise BundleRefused(
            NAME, f"it has schema {head.schema}, and this bridge reads up to {SCHEMA}; update the bridge first"
        )
    try:
        return _manifests.decode(data)
    except (ValueError, RecursionError) as error:
        raise BundleRefused(NAME, "a part of it does not have the form of a manifest") from error
