"""Sentences that a start says only once: again only when they change."""

from pathlib import Path


def is_news(sentence: str, said: Path) -> bool:
    """Return whether `sentence` differs from the one in the file `said`, and remember it there."""
    try:
        if not sentence or said.read_text() == sentence:
            return False
    except OSError:
        pass
    said.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The sentence may name servers or paths of this user.
    said.touch(mode=0o600)
    said.write_text(sentence)
    return True
