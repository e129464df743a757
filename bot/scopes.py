"""What a session in Discord belongs to. Imports nothing of Discord: the settings use it too."""

from enum import StrEnum


class SessionScope(StrEnum):
    """Its own thread (every message there is a prompt), a channel, or a user in a channel."""

    THREAD = "thread"
    CHANNEL = "channel"
    USER = "user"
