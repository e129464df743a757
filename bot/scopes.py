"""The scope of a session in Discord, and the messages in its thread that are prompts.

Does not import discord.py: the settings use this module too.
"""

from enum import StrEnum


class SessionScope(StrEnum):
    """A session belongs to its own thread (messages there are prompts), a channel, or a user in a channel."""

    THREAD = "thread"
    CHANNEL = "channel"
    USER = "user"


class ThreadTalk(StrEnum):
    """Prompts in a session's thread: all but those for other people, or only mentions."""

    ALL = "all"
    MENTION = "mention"
