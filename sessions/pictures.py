"""Pictures that Claude sees: the types and sizes that its API takes. All other files stay files."""

from sessions.model import Attachment

SEEN_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
MOST_BYTES = 5 * 2**20 * 3 // 4
"""The API takes 5 MiB of base64 for a picture."""


def is_seen(file: Attachment) -> bool:
    """Whether the file goes to Claude as a picture."""
    return file.media_type in SEEN_TYPES and file.size <= MOST_BYTES
