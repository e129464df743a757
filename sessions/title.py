"""The title of a session."""

MAX_TITLE_CHARS = 80


def title_from(text: str) -> str:
    """Return a one-line title made from a prompt or a name that a person gave; empty without any words."""
    words = " ".join(text.split())
    return words if len(words) <= MAX_TITLE_CHARS else f"{words[: MAX_TITLE_CHARS - 1].rstrip()}…"
