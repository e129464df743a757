"""Names of what posts are about: a kind and a key, written `turn:<id>`.

They stand in the `posts` table, so the words stay as they are. A unit of the view has the name of its posts.
"""

from enum import StrEnum


class UnitKind(StrEnum):
    """What a post can be about. The key of a turn, queued prompt or ask is its id; the status has none."""

    STATUS = "status"
    TURN = "turn"
    QUEUED = "queued"
    ASK = "ask"
    NOTICE = "notice"


def subject_of(kind: UnitKind, key: str | int = "") -> str:
    """The subject of this kind and key."""
    return f"{kind}:{key}" if key != "" else kind.value


def parse_subject(subject: str) -> tuple[UnitKind, str]:
    """Kind and key of a subject. Raises `ValueError` for a kind that is not known."""
    kind, _, key = subject.partition(":")
    return UnitKind(kind), key


STATUS_SUBJECT = subject_of(UnitKind.STATUS)
