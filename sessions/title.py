"""What a session is called."""

MAX_TITLE_CHARS = 80


def title_from(text: str) -> str:
    """A title of one line from a prompt or a person's wish; empty if there are no words in it."""
    words = " ".join(text.split())
    return words if len(words) <= MAX_TITLE_CHARS else f"{words[: MAX_TITLE_CHARS - 1].rstrip()}…"
