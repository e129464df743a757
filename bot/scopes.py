"""What a session in Discord belongs to, and which messages in its thread are prompts.

Imports nothing of Discord: the settings use it too.
"""

from enum import StrEnum


class SessionScope(StrEnum):
    """Its own thread (every message there is a prompt), a channel, or a user in a channel."""

    THREAD = "thread"
    CHANNEL = "channel"
    USER = "user"


class ThreadTalk(StrEnum):
    """Which messages in a session's thread are prompts: all that are not for somebody else, or mentions."""

    ALL = "all"
    MENTION = "mention"
