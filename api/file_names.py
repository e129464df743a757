"""Safe file names for files that come in or go out: a name that somebody chose is never used as a path."""

import re
import unicodedata

_MAX_NAME = 100
_MAX_NAME_BYTES = 200  # file systems take 255, and a file has a longer name while it is being written
_INSTRUCTIONS = frozenset({"claude.md", "claude.local.md", "agents.md"})
_UNSAFE = re.compile(r"[^\w.\-+@ ()]")


def safe_name(name: str) -> str:
    """Return `name` without directories, leading dots and unsafe characters, at most 100 characters long.

    A name under which Claude would take a file for instructions gets a harmless ending.
    """
    # macOS gives names with accents apart from their letters: NFC makes one form of both.
    plain = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    safe = _fitting(_UNSAFE.sub("_", plain).strip(" ._")) or "file"
    return f"{safe}.txt" if safe.lower() in _INSTRUCTIONS else safe


def _fitting(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    ending = f".{suffix}" if dot and len(suffix) <= 10 else ""
    stem = name.removesuffix(ending)[: _MAX_NAME - len(ending)]
    # The cut may fall inside a character.
    return stem.encode()[: _MAX_NAME_BYTES - len(ending.encode())].decode(errors="ignore") + ending
