"""Subjects of posts: a kind and a key, written `turn:<id>`.

The `posts` table stores them, so their words must not change. A unit of the view is named by the subject of its
posts.
"""

from enum import StrEnum


class UnitKind(StrEnum):
    """The kinds of subjects. Status, history and hint have no key; that of a turn, its pictures, a queued
    prompt or an ask is its id."""

    STATUS = "status"
    TURN = "turn"
    QUEUED = "queued"
    ASK = "ask"
    NOTICE = "notice"
    PICTURES = "pictures"
    HISTORY = "history"
    HINT = "hint"


def subject_of(kind: UnitKind, key: str | int = "") -> str:
    """Return the subject of this kind and key."""
    return f"{kind}:{key}" if key != "" else kind.value


def parse_subject(subject: str) -> tuple[UnitKind, str]:
    """Return kind and key of a subject. Raises `ValueError` for an unknown kind."""
    kind, _, key = subject.partition(":")
    return UnitKind(kind), key


STATUS_SUBJECT = subject_of(UnitKind.STATUS)
