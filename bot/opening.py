"""Open a session: open its thread, create the session there, store its place, show it.

Every step may be repeated: a thread on a message has the message's id, the session's key is its place, and the
place is one row. So repeating a start that a crash cut finishes it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import discord
import msgspec
from msgspec.structs import replace

from api import Branch, CreateSession, GetOrCreateSession, GetSession, RunInfo, SessionInfo, StartRun
from api.access import Action, Actor, authorize
from bot.actors import VIEWER, core_id
from bot.channel_defaults import load_defaults
from bot.delivery_rows import forget_posts_elsewhere
from bot.errors import CONNECTION_BROKEN
from bot.face import Face
from bot.hints import claim_hint
from bot.history import history_of, store_history
from bot.inbox_rows import mark_seen
from bot.markdown.cards import one_line
from bot.rows import Place, insert_place, load_place, places_in
from bot.scopes import SessionScope
from bot.threads import ThreadFound, Threads
from faults import crash_point
from sessions.errors import SessionError, SessionNotFound
from sessions.model import Lifecycle, PermissionMode


class Wish(msgspec.Struct, frozen=True):
    """The wanted properties of a session. Empty fields mean the defaults; `name` names its thread."""

    name: str = ""
    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None


class BranchWish(msgspec.Struct, frozen=True):
    """The branch to open: after a turn of a session (None: the last), with a copy of the files or without."""

    session_id: str
    turn_id: str | None
    own_copy: bool


class Spot(msgspec.Struct, frozen=True):
    """The place of a request. A thread can be opened on the message `anchor_id`."""

    guild_id: int
    channel_id: int
    anchor_id: int | None = None
    private: bool = False


def _key(kind: SessionScope, channel_id: str, user_id: str) -> str:
    """Return the key of a place's one session: its thread or channel, or the user in it."""
    return f"{channel_id} {user_id}" if kind is SessionScope.USER else channel_id


class Opener:
    """Opens sessions in Discord. Methods raise `SessionError`, `Refused` and `discord.HTTPException`."""

    def __init__(self, face: Face, client: discord.Client) -> None:
        self._face = face
        self._client = client
        self._threads = Threads(client, face.db)
        self._parents: dict[int, int] = {}  # thread → its channel, until its session's place is stored

    async def open(self, actor: Actor, spot: Spot, wish: Wish) -> tuple[Place, SessionInfo]:
        """Return the session of the place, shown in its thread or channel; creates it if needed."""
        wish = await self._with_defaults(spot, wish)
        scope = self._face.options.scope
        if scope is SessionScope.THREAD or spot.private:
            async with self.thread(actor, spot, wish.name) as thread_id:
                crash_point("thread-made")
                return await self._get_or_create(
                    actor, replace(spot, channel_id=thread_id), SessionScope.THREAD, wish
                )
        return await self._get_or_create(actor, spot, scope, wish)

    async def _get_or_create(
        self, actor: Actor, spot: Spot, kind: SessionScope, wish: Wish
    ) -> tuple[Place, SessionInfo]:
        where = core_id(spot.channel_id)
        info = await self._face.core.perform(
            actor,
            GetOrCreateSession(
                channel_id=where,
                # The place is the key: a repeat after a crash finds the session that the first try made.
                key=_key(kind, where, actor.user_id),
                title=wish.title,
                project=wish.project,
                model=wish.model,
                mode=wish.mode,
            ),
        )
        return await self.place(info, spot.guild_id, spot.channel_id, kind), info

    async def open_anew(self, actor: Actor, spot: Spot, wish: Wish) -> tuple[Place, SessionInfo]:
        """Create a session even if the channel has one; the earlier one can still be named by its id."""
        if self._face.options.scope is SessionScope.THREAD or spot.private:
            return await self.open(actor, spot, wish)
        wish = await self._with_defaults(spot, wish)
        where = core_id(spot.channel_id)
        info = await self._face.core.perform(
            actor,
            CreateSession(
                channel_id=where, title=wish.title, project=wish.project, model=wish.model, mode=wish.mode
            ),
        )
        return await self.place(info, spot.guild_id, spot.channel_id, self._face.options.scope), info

    async def channel_of(self, channel_id: int) -> int:
        """Return the channel of a thread; a channel's own id otherwise."""
        channel = await self._threads.channel(channel_id)
        return channel.parent_id if isinstance(channel, discord.Thread) else channel_id

    async def channel_to_begin_in(self, channel_id: int) -> int:
        """Return what `channel_of` does. Raises `Refused` if no session can begin there."""
        if self._face.options.scope is SessionScope.THREAD:
            return (await self._threads.parent(channel_id)).id
        return await self.channel_of(channel_id)

    async def _with_defaults(self, spot: Spot, wish: Wish) -> Wish:
        """Return the wish with the channel's defaults in its empty fields."""
        defaults = await load_defaults(self._face.db, await self.channel_of(spot.channel_id))
        return replace(
            wish,
            project=wish.project or defaults.project,
            model=wish.model or defaults.model,
            mode=wish.mode or defaults.mode,
        )

    async def open_branch(
        self, actor: Actor, spot: Spot, branch: BranchWish, name: str
    ) -> tuple[Place, SessionInfo]:
        """Branch a session at a turn into a new session, shown in a thread of its own."""
        async with self.thread(actor, spot, name) as thread_id:
            where = core_id(thread_id)
            wish = Branch(
                session_id=branch.session_id,
                channel_id=where,
                turn_id=branch.turn_id,
                # The thread is the key: a repeated request returns the branch that the first one made.
                key=where,
                title=name,
                own_copy=branch.own_copy,
            )
            info = await self._face.core.perform(actor, wish)
            return await self.place(info, spot.guild_id, thread_id, SessionScope.THREAD), info

    async def open_run(self, actor: Actor, spot: Spot, wish: StartRun) -> tuple[Place, RunInfo]:
        """Start a run of a work-flow whose session is shown in a thread of its own."""
        name = one_line(wish.title or wish.request, 90)
        async with self.thread(actor, spot, name) as thread_id:
            where = core_id(thread_id)
            run = await self._face.core.perform(actor, replace(wish, channel_id=where, key=where))
            info = await self._face.core.perform(actor, GetSession(session_id=run.session_id))
            return await self.place(info, spot.guild_id, thread_id, SessionScope.THREAD), run

    async def place(self, info: SessionInfo, guild_id: int, channel_id: int, kind: SessionScope) -> Place:
        """Store that the session is shown in this channel, and show it."""
        owner = info.user_id.rpartition(":")[2]
        place = Place(info.id, guild_id, channel_id, kind, int(owner) if owner.isdecimal() else 0)
        now_ms = self._face.now_ms()
        statements = [insert_place(place, now_ms), forget_posts_elsewhere(info.id, channel_id)]
        known = await load_place(self._face.db, info.id)
        # A repeat must not choose again: the turns to show are those from before the session came here.
        if known is None or known.channel_id != channel_id:
            history = await history_of(self._face.core, info, channel_id)
            statements += store_history(info, history) if history is not None else []
            parent_id = self._parents.pop(channel_id, channel_id)
            statements += claim_hint(info.id, parent_id, self._face.options.thread_talk)
        if kind is SessionScope.THREAD:
            # With a mark the thread is read back after a gap; without one, only if it is newer than every mark.
            statements.append(mark_seen(guild_id, channel_id, channel_id))
        # One transaction: a kill leaves all of the place, its history and its hint, or nothing.
        await self._face.db.write(statements)
        crash_point("place-stored")
        await self._face.view.show(place)
        return place

    @asynccontextmanager
    async def thread(self, actor: Actor, spot: Spot, name: str) -> AsyncIterator[int]:
        """`thread_at` as a context: if the body raises `SessionError`, a newly made thread is deleted."""
        found = await self._find_thread(actor, spot, name)
        try:
            yield found.id
        except SessionError:
            if found.is_new:  # an existing thread may belong to somebody
                with suppress(discord.HTTPException, *CONNECTION_BROKEN):
                    await self._client.http.delete_channel(found.id)
            raise

    async def thread_at(self, actor: Actor, spot: Spot, name: str) -> int:
        """Return the thread for a new session at `spot`; opens one if needed.

        If `spot` is a thread whose session has ended or that has none, it is that thread; in another session's
        thread, a new one beside it. Raises `NotAllowed` and `Refused` before anything is made.
        """
        return (await self._find_thread(actor, spot, name)).id

    async def _find_thread(self, actor: Actor, spot: Spot, name: str) -> ThreadFound:
        # Before anything is made: people without the right must not be able to fill the channel with threads.
        authorize(actor, Action.CREATE)
        place = await self._threads.channel(spot.channel_id)
        anchor_id, private = spot.anchor_id, spot.private
        if isinstance(place, discord.Thread):
            if not private and not await self._is_taken(place.id):
                self._parents[place.id] = place.parent_id
                return ThreadFound(place.id, is_new=False)
            # A request in a private thread stays private, and a thread has no threads on its messages.
            anchor_id, private = None, private or place.is_private()
            place = await self._threads.channel(place.parent_id)
        found = await self._threads.open(place, name, anchor_id=anchor_id, private=private)
        self._parents[found.id] = place.id
        if private:
            await self.bring_in(actor, found.id)
        return found

    async def is_shown_well(self, place: Place) -> bool:
        """Whether Discord still takes messages at the place."""
        return await self._threads.takes_messages(place.channel_id)

    async def _is_taken(self, thread_id: int) -> bool:
        """Whether a session that has not ended is shown in the thread."""
        for place in await places_in(self._face.db, thread_id):
            with suppress(SessionNotFound):
                info = await self._face.core.perform(VIEWER, GetSession(session_id=place.session_id))
                if info.lifecycle is not Lifecycle.ENDED:
                    return True
        return False

    async def bring_in(self, actor: Actor, thread_id: int) -> None:
        """Make the actor a member of the thread, so that it shows up in their list."""
        with suppress(discord.HTTPException, *CONNECTION_BROKEN):
            await self._client.http.add_user_to_thread(thread_id, int(actor.user_id.rpartition(":")[2]))
