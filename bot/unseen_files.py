"""Sentences about files that Claude has but cannot see or hear. Pure."""

from collections.abc import Iterable

from bot.wording import size
from sessions.model import Attachment
from sessions.pictures import MOST_BYTES, can_be_fitted, is_heic, is_seen


def has_use(file: Attachment) -> bool:
    """Whether the file alone makes a prompt: Claude can see or read it."""
    return not _why_unseen(file)


def may_have_use(file: Attachment) -> bool:
    """Whether the file has a use, or may have one once it is fetched and converted."""
    return can_be_fitted(file) or has_use(file)


def about_files(files: Iterable[Attachment]) -> list[str]:
    """Return a sentence for each file that Claude cannot see or hear."""
    return [f"“{file.name}” {why}" for file in files if (why := _why_unseen(file))]


def _why_unseen(file: Attachment) -> str:
    kind = file.media_type.partition("/")[0]
    if kind == "audio":
        return "is sound. Claude cannot listen to it."
    if kind == "video":
        return "is a video. Claude cannot watch it; send pictures of it."
    if is_heic(file):
        return "is a HEIC picture. Claude cannot see it; send it as JPEG or PNG."
    # An SVG is text, which Claude reads.
    if kind == "image" and file.media_type != "image/svg+xml" and not is_seen(file):
        if file.size > MOST_BYTES:
            return f"is too large for Claude to see ({size(file.size)}; {size(MOST_BYTES)} are possible)."
        return "is a kind of picture that Claude cannot see; send it as JPEG or PNG."
    return ""
