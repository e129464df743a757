"""Notes to write and read, and a foreign lock on the database."""

from storage import (
    Statement,
)

INSERT = "INSERT INTO notes (author, text) VALUES (?, ?)"


def note(text: str, author: str = "ann") -> Statement:
    return Statement(INSERT, (author, text))
