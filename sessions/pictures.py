"""Pictures that Claude sees: the types and sizes that its API takes. All other files stay files."""

from functools import cache
from importlib.util import find_spec

from sessions.model import Attachment

SEEN_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
MOST_BYTES = 5 * 2**20 * 3 // 4
"""The API takes 5 MiB of base64 for a picture."""
_HEIC_TYPES = frozenset({"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"})
_HEIC_NAMES = (".heic", ".heif")
_OTHER_TYPES = frozenset({"image/bmp", "image/tiff", "image/x-ms-bmp"})


def is_seen(file: Attachment) -> bool:
    """Whether the file goes to Claude as a picture."""
    return file.media_type in SEEN_TYPES and file.size <= MOST_BYTES


def is_heic(file: Attachment) -> bool:
    """Whether the file is a HEIC picture; many programs know it only by its name."""
    return file.media_type in _HEIC_TYPES or file.name.lower().endswith(_HEIC_NAMES)


def can_be_fitted(file: Attachment) -> bool:
    """Whether the extra `images` can make the file a picture that Claude sees."""
    if is_seen(file) or not _installed("PIL"):
        return False
    if is_heic(file):
        return _installed("pillow_heif")
    return file.media_type in SEEN_TYPES | _OTHER_TYPES


@cache
def _installed(module: str) -> bool:
    return find_spec(module) is not None
