"""The prompt that a review becomes. Pure."""

from collections.abc import Sequence

from api.reviewing import ReviewComment

_HEAD = "Please work on these review comments on your changes."


def review_prompt(comments: Sequence[ReviewComment], note: str) -> str:
    """Return one prompt with all comments: file, line, the line's text, who wrote it, the words."""
    several = len({each.author for each in comments}) > 1
    parts = [note.strip() or _HEAD]
    for number, each in enumerate(comments, 1):
        side = ", removed" if each.is_removed else ""
        stale = ", the file has changed since" if each.is_stale else ""
        by = f", from {each.author_name or each.author}" if several else ""
        quoted = f"\n   > {each.snippet}" if each.snippet.strip() else ""
        # Indented, so that further lines stay part of their numbered comment.
        words = each.text.replace("\n", "\n   ")
        parts.append(f"{number}. {each.path}, line {each.line}{side}{stale}{by}:{quoted}\n   {words}")
    return "\n\n".join(parts)
