"""Errors of the Discord face, and the one place where an error becomes a sentence for a person."""

from math import ceil

import aiohttp
import discord

from bot.actors import discord_id
from bot.wording import duration
from sessions.errors import AlreadyDecided, IllegalMove, SessionError, SessionNotFound
from storage import StorageError


class FaceError(Exception):
    """Root of the errors that `bot` raises on purpose. Messages are sentences for people."""


class Refused(FaceError):
    """The request cannot be carried out; the sentence says why and what to do."""


class ControlGone(FaceError):
    """The used control has no meaning, or no longer has one."""

    def __init__(self) -> None:
        super().__init__("This is out of date. Use a newer message, or a command: /help lists them.")


class DiscordRefused(FaceError):
    """Discord does not let the bot in, and a retry would not help; the sentence names the next step."""


# A server that hangs up raises a `ClientError` that is no `OSError`; `RateLimited` is no `HTTPException`.
CONNECTION_BROKEN = (aiohttp.ClientError, OSError, discord.RateLimited)
"""Errors of the library beside `HTTPException`: the connection broke (the request may have been carried out),
or a rate limit lasts longer than the library waits."""
_NEXT_STEPS = {
    "busy": " Wait until Claude is done, or press Stop.",
    "ended": " Start a new one with /claude.",
    "not that far": " Wait until Claude is done with that turn.",
}
_MISSING_PERMISSION = frozenset({50001, 50013})


def sentence_for(error: BaseException) -> str | None:
    """Return the sentence that tells a person about `error`, or None if it is a defect of ours."""
    match error:
        case AlreadyDecided():
            return _already_decided(error)
        case IllegalMove():
            return f"{error}{_NEXT_STEPS.get(error.state, '')}"
        case SessionNotFound():
            return f"{error} /session list shows what there is."
        case SessionError() | FaceError() | StorageError():
            # These messages are written for people.
            return str(error)
        case discord.Forbidden() if error.code in _MISSING_PERMISSION:
            return (
                "I lack a permission for that here. An admin can grant it in the channel's settings:"
                " View Channel, Send Messages, Create Public Threads, Send Messages in Threads,"
                " Attach Files, Read Message History."
            )
        case discord.RateLimited():
            wait = duration(ceil(error.retry_after) * 1000)
            return f"Discord takes no more of that here for {wait}. Try again then."
        case discord.DiscordServerError() | aiohttp.ClientError():
            return "Discord did not take that just now. Try again in a minute."
        case _:
            return None


def _already_decided(error: AlreadyDecided) -> str:
    who = discord_id(error.by)
    if who is not None:
        return f"This has been decided already, by <@{who}>."
    return str(error)
