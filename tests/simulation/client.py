"""The bot's real client without its gateway and its HTTP: calls go to `chat.py` and meet Discord's weather.

What discord.py would hand to the client's methods are objects that look the same as far as the bot looks.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import discord

from bot.client import BridgeClient
from bot.face import Face
from tests.simulation.chat import BOT, GENERAL, GUILD, Chat, Post, Room

if TYPE_CHECKING:
    from tests.simulation.life import Life

T = TypeVar("T")

_CALL_S = 0.4


def refusal(status: int, code: int) -> discord.HTTPException:
    """Return the error that discord.py raises for a response."""
    response: Any = SimpleNamespace(status=status, reason="")
    kind = {403: discord.Forbidden, 404: discord.NotFound}.get(status, discord.HTTPException)
    return kind(response, {"code": code, "message": ""})


class Wire:
    """Calls of one life to Discord."""

    def __init__(self, life: "Life", chat: Chat, state: Any) -> None:
        self._life = life
        self._state = state
        self.chat = chat

    def message(self, post: Post) -> discord.Message:
        """Return the object that discord.py would hand out."""
        return message_of(post, self._state)

    async def call(self, what: str, action: Callable[[], T], detail: object = "") -> T:
        """Let Discord do `action`: in a while, or not, or with an answer that is lost."""
        life = self._life
        await life.lasts(_CALL_S)
        if (trouble := life.world.faults.on_the_way(what)) is not None:
            raise trouble
        result = action()
        life.effect(what, detail)
        await life.lasts(_CALL_S)
        if (trouble := life.world.faults.on_the_way_back(what)) is not None:
            raise trouble
        return result

    def room(self, room_id: int) -> Room:
        if room_id not in self.chat.rooms:
            raise refusal(404, 10003)
        return self.chat.rooms[room_id]

    def post(self, room_id: int, post_id: int) -> Post:
        if post_id not in (room := self.room(room_id)).posts:
            raise refusal(404, 10008)
        return room.posts[post_id]


class _Messageable:
    """`PartialMessageable`, `TextChannel` and `Thread`, as far as they send and read."""

    def __init__(self, wire: Wire, room_id: int) -> None:
        self._wire = wire
        self.id = room_id
        self.guild_id = GUILD

    async def send(self, content: str | None = None, *, nonce: str | None = None, **more: Any) -> Any:
        chat, facts = self._wire.chat, _facts(more) | {"is_reply": more.get("reference") is not None}

        def send() -> Post:
            return chat.write_once(self._wire.room(self.id), nonce, content or "", **facts)

        detail = f"{self.id & 0xFFFF} {(content or '[card]')[:40]!r}"
        return self._wire.message(await self._wire.call("create", send, detail))

    def get_partial_message(self, message_id: int) -> "_PartialMessage":
        return _PartialMessage(self._wire, self.id, message_id)

    async def fetch_message(self, message_id: int) -> Any:
        wire = self._wire
        return wire.message(await wire.call("fetch", lambda: wire.post(self.id, message_id)))

    async def history(
        self,
        *,
        limit: int | None = 100,
        before: Any = None,
        after: Any = None,
        oldest_first: bool | None = None,
    ) -> AsyncIterator[Any]:
        wire = self._wire

        def read() -> list[Post]:
            posts = wire.room(self.id).posts
            newer = [each for each in sorted(posts) if after is None or each > after.id]
            return [posts[each] for each in newer if before is None or each < before.id]

        found = await wire.call("history", read)
        ordered = found if oldest_first or (oldest_first is None and after is not None) else found[::-1]
        for post in ordered[:limit]:
            yield wire.message(post)


class _PartialMessage:
    def __init__(self, wire: Wire, room_id: int, message_id: int) -> None:
        self._wire, self._room_id, self._id = wire, room_id, message_id

    async def edit(self, *, content: str | None = None, **more: Any) -> None:
        wire, facts = self._wire, _facts(more)

        def edit() -> None:
            if wire.room(self._room_id).archived:
                raise refusal(400, 50083)
            wire.chat.edit(wire.post(self._room_id, self._id), content=content or "", **facts)

        await wire.call("edit", edit, f"{self._room_id & 0xFFFF} {(content or '[card]')[:40]!r}")

    async def delete(self) -> None:
        wire = self._wire

        def delete() -> None:
            wire.post(self._room_id, self._id)
            del wire.room(self._room_id).posts[self._id]

        await wire.call("delete", delete, self._room_id & 0xFFFF)


def _facts(more: dict[str, Any]) -> dict[str, Any]:
    view = more.get("view")
    files = more.get("files") or more.get("attachments") or ()
    return {"components": view.to_components() if view is not None else [], "files": len(files)}


def message_of(post: Post, state: Any) -> discord.Message:
    """Return a message as discord.py makes it."""
    edited = (
        datetime.fromtimestamp(post.edited_ms / 1000, UTC).isoformat() if post.edited_ms is not None else None
    )
    mentions = [_user(BOT)] if post.mentions_bot else []
    data: Any = {
        "id": post.id,
        "type": 0,
        "content": post.content,
        "author": _user(post.author_id),
        "components": post.components,
        "edited_timestamp": edited,
        "mentions": mentions,
    }
    nothing: Callable[[int], None] = lambda _: None  # noqa: E731
    guild = SimpleNamespace(
        id=GUILD, get_member=nothing, get_role=nothing, get_channel_or_thread=nothing, self_role=None
    )
    channel: Any = SimpleNamespace(id=post.channel_id, guild=guild)
    return discord.Message(state=state, channel=channel, data=data)


def _user(user_id: int) -> dict[str, Any]:
    name = {"username": f"user{user_id}", "discriminator": "0", "avatar": None}
    return {"id": user_id, "bot": user_id == BOT, **name}


class _Text(discord.TextChannel):
    """The channel of the server."""

    def __init__(self, wire: Wire, guild: Any, room: Room) -> None:
        self.id, self.guild, self.last_message_id = room.id, guild, room.last_id
        self._reach, self._wire = _Messageable(wire, room.id), wire

    def history(self, **wish: Any) -> Any:
        return self._reach.history(**wish)

    async def archived_threads(self, *, private: bool = False, **_: Any) -> Any:
        archived = [each for each in self._wire.chat.threads if each.archived]
        for room in () if private else archived:
            thread = _Thread(self._wire, self.guild, room)
            thread.archive_timestamp = datetime.fromtimestamp(self._wire.chat.now_ms() / 1000, UTC)
            yield thread


class _Thread(discord.Thread):
    def __init__(self, wire: Wire, guild: Any, room: Room) -> None:
        self.id, self.guild, self.last_message_id = room.id, guild, room.last_id
        self.name, self.parent_id = "Thread", room.parent_id or 0
        self._type = discord.ChannelType.public_thread
        self._reach, self._wire, self._room = _Messageable(wire, room.id), wire, room

    def history(self, **wish: Any) -> Any:
        return self._reach.history(**wish)

    async def edit(self, **wish: Any) -> Any:
        def edit() -> None:
            self._room.archived = bool(wish["archived"])

        await self._wire.call("unarchive", edit)


class _Http:
    """The routes that the bot calls by name."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        # What discord.py has learned of Discord's buckets: here they never run out.
        self._bucket_hashes: dict[str, str] = {}
        self._buckets: dict[str, Any] = {}

    async def send_typing(self, channel_id: int) -> None:
        await self._wire.call("typing", lambda: self._wire.room(channel_id))

    async def get_member(self, guild_id: int, user_id: int) -> dict[str, Any]:
        # As Discord answers: a member has its user.
        user = {"id": str(user_id), "bot": False}
        return await self._wire.call("member", lambda: {"roles": [], "user": user})

    async def add_user_to_thread(self, channel_id: int, user_id: int) -> None:
        await self._wire.call("member added", lambda: self._wire.room(channel_id))

    async def start_thread_with_message(self, channel_id: int, message_id: int, **_: Any) -> dict[str, Any]:
        def start() -> dict[str, Any]:
            if self._wire.chat.open_thread(channel_id, message_id) is None:
                raise refusal(400, 160004)
            return {"id": str(message_id)}

        return await self._wire.call("thread", start, message_id & 0xFFFF)


class SimulatedClient(BridgeClient):
    """The bot's client for one life."""

    def __init__(self, life: "Life", chat: Chat, make_face: Callable[[discord.Client], Face]) -> None:
        super().__init__(make_face, _freely)
        self._wire = Wire(life, chat, self._connection)
        self.http: Any = _Http(self._wire)

    @property
    def user(self) -> Any:
        return SimpleNamespace(id=BOT)

    @property
    def guilds(self) -> Sequence[Any]:
        guild = SimpleNamespace(id=GUILD, voice_channels=(), stage_channels=(), forums=())
        rooms = self._wire.chat.rooms.values()
        guild.text_channels = [_Text(self._wire, guild, each) for each in rooms if each.id == GENERAL]
        guild.threads = [
            _Thread(self._wire, guild, each) for each in rooms if each.parent_id and not each.archived
        ]
        return [guild]

    def get_channel(self, id: int, /) -> Any:  # noqa: A002 (the library's name)
        guild = self.guilds[0]
        return next((each for each in [*guild.text_channels, *guild.threads] if each.id == id), None)

    async def fetch_channel(self, channel_id: int, /) -> Any:
        room = await self._wire.call("channel", lambda: self._wire.room(channel_id))
        kind = _Text if room.parent_id is None else _Thread
        return kind(self._wire, SimpleNamespace(id=GUILD), room)

    def get_partial_messageable(self, id: int, **_: Any) -> Any:  # noqa: A002 (the library's name)
        return _Messageable(self._wire, id)

    async def _settle_in(self, guild: Any) -> None:
        """Commands are none of the simulation's."""

    def message(self, post: Post) -> discord.Message:
        """A message as the gateway tells of it."""
        return self._wire.message(post)

    def click(self, post: Post, custom_id: str, user_id: int) -> Any:
        """The interaction of somebody who uses a control."""
        return _Interaction(self._wire, post, custom_id, user_id)


class _Response:
    """The first answer to an interaction, and those after it: nothing of them is judged."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def _answer(self, *_: Any, **__: Any) -> Any:
        await self._wire.call("answer", lambda: None)
        return SimpleNamespace(message_id=1)

    send_message = defer = edit_message = send_modal = send = _answer


class _Interaction:
    type = discord.InteractionType.component
    application_id = BOT
    token = ""
    guild_id = GUILD

    def __init__(self, wire: Wire, post: Post, custom_id: str, user_id: int) -> None:
        self.id = wire.chat.new_id()
        self.channel_id = post.channel_id
        self.user = SimpleNamespace(id=user_id, bot=False)
        self.data = {"custom_id": custom_id}
        self.extras: dict[str, Any] = {}
        self.message = wire.message(post)
        self.response = self.followup = _Response(wire)
        self.edit_original_response = self.delete_original_response = self.response._answer


async def _freely() -> None:
    return
