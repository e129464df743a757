"""Messages to and from Discord through discord.py, and its errors as the kinds that the pump distinguishes.

Channels and messages are addressed by id alone, so that no cache is needed. Sends carry the caller's nonce.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import aiohttp
import discord

from bot.bodies import Body, Plain
from bot.discord_bodies import edit_kwargs, message_kwargs
from bot.pace import Change, Window
from bot.rate_limits import window_of
from bot.rows import controls_of

_UNKNOWN_CHANNEL = 10003
_UNKNOWN_MESSAGE = 10008
_MISSING_ACCESS = 50001
_MISSING_PERMISSIONS = 50013
_ARCHIVED = 50083
_CLOSED = frozenset({_UNKNOWN_CHANNEL, _MISSING_ACCESS, _MISSING_PERMISSIONS})
_BANNED_WAIT_S = 60.0
_MOST_HISTORY = 500  # five requests: Discord gives 100 messages in one
_PATIENCE_S = 60.0
"""Deadline of one request, the library's own retries and waits included; those take at most half of it."""


class PostingError(Exception):
    """Root of the errors between the bot and Discord."""


class MessageGone(PostingError):
    """Somebody deleted the message."""


class ThreadArchived(PostingError):
    """The thread takes no edits until it is opened again."""


class ChannelClosed(PostingError):
    """The channel was deleted or the bot may not write there. Do not retry for now."""

    def __init__(self, channel_id: int, code: int) -> None:
        super().__init__(f"Channel {channel_id} cannot be written to (code {code}).")
        self.channel_id = channel_id
        self.code = code


class BodyRefused(PostingError):
    """Discord will never take this body."""

    def __init__(self, code: int, status: int) -> None:
        super().__init__(f"Discord refused a message (status {status}, code {code}).")
        self.code = code
        self.status = status


class TryLater(PostingError):
    """A limit, an error of Discord's or a broken connection; the request may have been carried out."""

    def __init__(self, cause: str, after_s: float = 0.0) -> None:
        super().__init__(f"Discord could not be reached ({cause}).")
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class Seen:
    """A message of the bot as Discord has it."""

    message_id: int
    fingerprint: str


class Transport(Protocol):
    """Discord as the pump sees it. Every method raises `PostingError`."""

    async def create(self, channel_id: int, body: Body, *, nonce: str, ping: int | None) -> Seen:
        """Send a message. For some minutes the same `nonce` makes no second one. Notifies only `ping`."""
        ...

    async def edit(self, channel_id: int, message_id: int, body: Body) -> None:
        """Edit a message to show `body`. Notifies nobody."""
        ...

    async def delete(self, channel_id: int, message_id: int) -> None:
        """Delete a message. No error if it no longer exists."""
        ...

    async def own_messages(self, channel_id: int, after: int) -> Sequence[Seen]:
        """Return the bot's messages after the message id `after`, oldest first."""
        ...

    async def type_(self, channel_id: int) -> None:
        """Show the typing sign for about ten seconds."""
        ...

    async def unarchive(self, channel_id: int) -> None:
        """Open an archived thread again."""
        ...

    def window(self, channel_id: int, change: Change) -> Window | None:
        """Return the rest of the bucket for such changes in the channel; None if a new window begins."""
        ...


def fingerprint(body: Body) -> str:
    """Return a hash to recognise a message with `body`: of its text without white space and its controls."""
    text = body.content if isinstance(body, Plain) else "".join(body.texts)
    return _fingerprint(text, [each.custom_id for each in controls_of(body)])


def _fingerprint(text: str, custom_ids: Sequence[str]) -> str:
    # Without white space: Discord trims what it stores.
    bare = "".join(text.split()) + "\0" + ",".join(custom_ids)
    return hashlib.blake2b(bare.encode(errors="replace"), digest_size=8).hexdigest()


class DiscordTransport:
    """`Transport` over a logged-in client."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def create(self, channel_id: int, body: Body, *, nonce: str, ping: int | None) -> Seen:
        """Post `body`. Notifies nobody, or only the user `ping` if the body mentions them."""
        kwargs = message_kwargs(body)
        if ping is not None:
            # The text may mention more people, for Claude wrote it: only this one may be notified.
            who = discord.Object(ping)
            kwargs["allowed_mentions"] = discord.AllowedMentions(
                everyone=False, roles=False, users=[who], replied_user=False
            )
        async with _translated(channel_id):
            channel = self._client.get_partial_messageable(channel_id)
            # `silent`: no push for posts that nobody has to act on.
            return _seen(await channel.send(**kwargs, nonce=nonce, silent=ping is None))

    async def edit(self, channel_id: int, message_id: int, body: Body) -> None:
        async with _translated(channel_id):
            channel = self._client.get_partial_messageable(channel_id)
            # `Message.edit` of discord.py 2.7 would bring suppressed
            # previews back; a partial message's does not.
            await channel.get_partial_message(message_id).edit(**edit_kwargs(body))

    async def delete(self, channel_id: int, message_id: int) -> None:
        """Delete an own message. No error if it no longer exists."""
        try:
            async with _translated(channel_id):
                channel = self._client.get_partial_messageable(channel_id)
                await channel.get_partial_message(message_id).delete()
        except MessageGone:
            return

    async def own_messages(self, channel_id: int, after: int) -> Sequence[Seen]:
        """Return the bot's messages after the message id `after`, oldest first; at most 500."""
        user = self._client.user
        async with _translated(channel_id):
            channel = self._client.get_partial_messageable(channel_id)
            # Without a known message the newest ones are read: ours is near the end of the channel.
            since = discord.Object(after) if after else None
            history = channel.history(limit=_MOST_HISTORY, after=since, oldest_first=since is not None)
            # By author: a person could copy the text of a post.
            found = [_seen(each) async for each in history if user is not None and each.author.id == user.id]
        return sorted(found, key=lambda each: each.message_id)

    async def type_(self, channel_id: int) -> None:
        async with _translated(channel_id):
            # One request shows the sign for ten seconds; `channel.typing()` would repeat it every five.
            await self._client.http.send_typing(channel_id)

    async def unarchive(self, channel_id: int) -> None:
        async with _translated(channel_id):
            channel = await self._client.fetch_channel(channel_id)
            if isinstance(channel, discord.Thread):
                await channel.edit(archived=False)

    def window(self, channel_id: int, change: Change) -> Window | None:
        return window_of(self._client, channel_id, change)


def _seen(message: discord.Message) -> Seen:
    texts, custom_ids = [message.content], list[str]()
    for part in message.components:
        _walk(part, texts, custom_ids)
    return Seen(message.id, _fingerprint("".join(texts), custom_ids))


def _walk(part: object, texts: list[str], custom_ids: list[str]) -> None:
    if isinstance(part, discord.TextDisplay):
        texts.append(part.content)
    custom_id = getattr(part, "custom_id", None)
    if isinstance(custom_id, str):
        custom_ids.append(custom_id)
    for child in getattr(part, "children", ()):
        _walk(child, texts, custom_ids)
    if isinstance(part, discord.SectionComponent):
        _walk(part.accessory, texts, custom_ids)


@asynccontextmanager
async def _translated(channel_id: int) -> AsyncIterator[None]:
    """Translate discord.py's exceptions to `PostingError`. Bounded in time: the library may wait for ever."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            yield
    # Not an `HTTPException`: discord.py raises it before the request is sent.
    except discord.RateLimited as error:
        raise TryLater("rate limit", error.retry_after) from error
    except discord.HTTPException as error:
        raise _translate(channel_id, error) from error
    # On Linux discord.py does not retry a connection that was reset; Discord may have carried the request out.
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise TryLater(type(error).__name__) from error


def _translate(channel_id: int, error: discord.HTTPException) -> PostingError:
    if error.code == _UNKNOWN_MESSAGE:
        return MessageGone()
    if error.code == _ARCHIVED:
        return ThreadArchived()
    if error.status == 429:
        # Without `Via` the answer is Cloudflare's, and we are banned; else the library gave up its retries.
        return TryLater("rate limit", 0.0 if error.response.headers.get("Via") else _BANNED_WAIT_S)
    # discord.py has tried most of them again itself, but never a 503.
    if error.status >= 500:
        return TryLater(f"status {error.status}")
    if error.code in _CLOSED or error.status in (401, 403, 404):
        return ChannelClosed(channel_id, error.code)
    return BodyRefused(error.code, error.status)
