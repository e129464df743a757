"""Where a new session lives: opens its thread, makes the session there, writes the place, shows it.

Every step may be repeated: a thread on a message has the message's id, the session is the one of its place, and
the place is one row. So a start that a crash cut in the middle is finished by doing it again.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import discord

from bot.actors import core_id
from bot.errors import CONNECTION_BROKEN, Refused
from bot.face import Face
from bot.rows import Place, insert_place, mark_seen, places_in
from sessions.access import Action, Actor, authorize
from sessions.commands import Branch, CreateSession, GetOrCreateSession, SessionInfo
from sessions.model import Lifecycle, PermissionMode, SessionId
from sessions.rows import load_snapshot

THREAD = "thread"
_HAS_THREAD_ALREADY = 160004
_MAX_THREADS = 160006
_NAME_CHARS = 90
_ARCHIVE_AFTER_MIN: Literal[1440] = 1440
_MENTION = re.compile(r"<(?:@[!&]?|#|a?:\w+:)\d+>")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a session is to be. Empty fields mean the settings' defaults; `name` names its thread."""

    name: str = ""
    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """Where it was asked for: `anchor_id` is the message that a thread can be opened on."""

    guild_id: int
    channel_id: int
    anchor_id: int | None = None
    private: bool = False


def thread_name(text: str) -> str:
    """A thread's name from a title or prompt: one line, no mentions, never empty."""
    words = " ".join(_MENTION.sub(" ", text).split())
    if len(words) > _NAME_CHARS:
        words = words[: _NAME_CHARS - 1].rstrip() + "…"
    return words or "Session"


def _key(kind: str, channel_id: str, user_id: str) -> str:
    """The key of the one session of a place: its thread or channel, or the user in it."""
    return f"{channel_id} {user_id}" if kind == "user" else channel_id


class Opener:
    """Opens sessions in Discord. Methods raise `SessionError`, `Refused` and `discord.HTTPException`."""

    def __init__(self, face: Face, client: discord.Client) -> None:
        self._face = face
        self._client = client

    async def open(self, actor: Actor, spot: Spot, wish: Wish) -> tuple[Place, SessionInfo]:
        """A new session, or the one that is there already, shown in its thread or channel."""
        scope = self._face.options.scope
        channel_id, kind = spot.channel_id, scope
        if scope == THREAD or spot.private:
            channel_id, kind = await self.thread_at(actor, spot, wish.name), THREAD
        where = core_id(channel_id)
        info = await self._face.core.perform(
            actor,
            GetOrCreateSession(
                channel_id=where,
                key=_key(kind, where, actor.user_id),
                title=wish.title,
                project=wish.project,
                model=wish.model,
                mode=wish.mode,
            ),
        )
        return await self.place(info, spot.guild_id, channel_id, kind), info

    async def open_anew(self, actor: Actor, spot: Spot, wish: Wish) -> tuple[Place, SessionInfo]:
        """A new session even where one is; the channel's earlier one stays reachable by its id."""
        if self._face.options.scope == THREAD or spot.private:
            return await self.open(actor, spot, wish)
        where = core_id(spot.channel_id)
        info = await self._face.core.perform(
            actor,
            CreateSession(
                channel_id=where, title=wish.title, project=wish.project, model=wish.model, mode=wish.mode
            ),
        )
        return await self.place(info, spot.guild_id, spot.channel_id, self._face.options.scope), info

    async def open_branch(
        self, actor: Actor, spot: Spot, session_id: str, turn_id: str | None, name: str
    ) -> tuple[Place, SessionInfo]:
        """A session that goes on from a turn of another, in a thread of its own."""
        thread_id = await self.thread_at(actor, spot, name)
        where = core_id(thread_id)
        wish = Branch(session_id=session_id, channel_id=where, turn_id=turn_id, key=where, title=name)
        info = await self._face.core.perform(actor, wish)
        return await self.place(info, spot.guild_id, thread_id, THREAD), info

    async def place(self, info: SessionInfo, guild_id: int, channel_id: int, kind: str) -> Place:
        """Write down that the session is shown in this channel, and show it."""
        owner = info.user_id.rpartition(":")[2]
        place = Place(info.id, guild_id, channel_id, kind, int(owner) if owner.isdecimal() else 0)
        statements = [insert_place(place, self._face.now_ms())]
        if kind == THREAD:
            statements.append(mark_seen(guild_id, channel_id, channel_id))
        await self._face.db.write(statements)
        await self._face.view.show(place)
        return place

    async def thread_at(self, actor: Actor, spot: Spot, name: str) -> int:
        """The thread for a session that is wished at `spot`; in a thread that is no session's (any more), this
        one, and in another's thread one beside it.

        Raises `NotAllowed` before anything is made, for who may not have sessions.
        """
        authorize(actor, Action.CREATE)
        channel = await self._channel(spot.channel_id)
        anchor_id, parent_id, private = spot.anchor_id, channel.id, spot.private
        if isinstance(channel, discord.Thread):
            if not private and not await self._is_taken(channel.id):
                return channel.id
            anchor_id, parent_id, private = None, channel.parent_id, private or channel.is_private()
        if private:
            return await self._private_thread(actor, parent_id, name)
        if anchor_id is None:
            message = await self._client.get_partial_messageable(parent_id).send(
                f"**{discord.utils.escape_markdown(thread_name(name))}**", silent=True
            )
            anchor_id = message.id
        # From here on people may write in it: what they say before its session is there is read back after a crash.
        await self._face.db.write([mark_seen(spot.guild_id, anchor_id, anchor_id)])
        return await self._thread_on(parent_id, anchor_id, name)

    async def _is_taken(self, thread_id: int) -> bool:
        """Whether a session that has not ended is shown in the thread."""
        for place in await places_in(self._face.db, thread_id):
            snapshot = await load_snapshot(self._face.db, SessionId(place.session_id))
            if snapshot is not None and snapshot.lifecycle is not Lifecycle.ENDED:
                return True
        return False

    async def _thread_on(self, channel_id: int, message_id: int, name: str) -> int:
        try:
            await self._client.http.start_thread_with_message(
                channel_id, message_id, name=thread_name(name), auto_archive_duration=_ARCHIVE_AFTER_MIN
            )
        except discord.HTTPException as error:
            if error.code == _MAX_THREADS:
                raise Refused("This server has too many active threads; archive some and try again.") from error
            if error.code != _HAS_THREAD_ALREADY:
                raise
        return message_id

    async def _private_thread(self, actor: Actor, channel_id: int, name: str) -> int:
        made = await self._client.http.start_thread_without_message(
            channel_id,
            name=thread_name(name),
            auto_archive_duration=_ARCHIVE_AFTER_MIN,
            type=discord.ChannelType.private_thread.value,
            invitable=False,
        )
        thread_id = int(made["id"])
        await self.bring_in(actor, thread_id)
        return thread_id

    async def bring_in(self, actor: Actor, thread_id: int) -> None:
        """Make the actor a member of the thread, so that it shows up in their list."""
        with suppress(discord.HTTPException, *CONNECTION_BROKEN):
            await self._client.http.add_user_to_thread(thread_id, int(actor.user_id.rpartition(":")[2]))

    async def _channel(self, channel_id: int) -> discord.abc.GuildChannel | discord.Thread:
        channel = self._client.get_channel(channel_id) or await self._client.fetch_channel(channel_id)
        if isinstance(channel, discord.abc.GuildChannel | discord.Thread):
            return channel
        raise Refused("Sessions live in servers, not in direct messages.")
