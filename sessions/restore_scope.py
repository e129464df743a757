"""The scope of a restore: a word that faces and the core share."""

from enum import StrEnum


class RestoreScope(StrEnum):
    """Which files a restore may touch. `auto`: the session's own if others work in the directory, else all."""

    AUTO = "auto"
    SESSION = "session"
    EVERYTHING = "everything"
