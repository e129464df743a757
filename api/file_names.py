"""The form that a file's name has when it comes in or goes out: what somebody called it is never a path."""

import re
import unicodedata

_MAX_NAME = 100
_MAX_NAME_BYTES = 200  # file systems take 255, and what is being written has a longer name
_UNSAFE = re.compile(r"[^\w.\-+@ ()]")


def safe_name(name: str) -> str:
    """A file name without directories, control characters, leading dots or surprises, at most 100 long."""
    plain = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    return _fitting(_UNSAFE.sub("_", plain).strip(" ._")) or "file"


def _fitting(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    ending = f".{suffix}" if dot and len(suffix) <= 10 else ""
    stem = name.removesuffix(ending)[: _MAX_NAME - len(ending)]
    return stem.encode()[: _MAX_NAME_BYTES - len(ending.encode())].decode(errors="ignore") + ending
