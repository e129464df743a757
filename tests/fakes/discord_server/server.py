"""One fake Discord on a loopback port: wires the parts, serves them, and is what a test holds in its hand."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

from tests.fakes.discord_redirect import URL_VARIABLE

from . import limits, places, posting, rest_account, rest_channels, rest_interactions, rest_messages
from .clock import Clock
from .commands import Commands
from .faults import Faults
from .gateway import Gateway
from .interactions import Interactions
from .model import ChannelType, Guild, Json, Message, Ping, Role, User
from .oracle import Oracle
from .people import Person
from .permissions import Permission
from .place import DEFAULT_WAIT_S, Place
from .posting import Draft
from .rate_limits import RateLimits, RateSettings
from .request_log import RequestLog
from .rest_door import RestDoor
from .site import Nonces, Settings, Site
from .world import Event, Intent, World

T = TypeVar("T")

BOT_PERMISSIONS = int(
    Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.SEND_MESSAGES_IN_THREADS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.CREATE_PRIVATE_THREADS
    | Permission.MANAGE_THREADS
    | Permission.MANAGE_MESSAGES
    | Permission.PIN_MESSAGES
    | Permission.ATTACH_FILES
    | Permission.EMBED_LINKS
    | Permission.READ_MESSAGE_HISTORY
    | Permission.ADD_REACTIONS
)
OPENAPI_VARIABLE = "DISCORD_OPENAPI"
_ROOT = Path(__file__).parents[3]


class FakeDiscord:
    """A Discord for tests. It starts with one guild, `Home`, of `admin`, with the channel `general`.

    Use as `async with FakeDiscord() as discord:`. It outlives bots: they come and go, its state stays.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        rates: RateSettings | None = None,
        *,
        bot_name: str = "Bridge",
        seed: int = 0,
    ) -> None:
        self.clock = Clock()
        self.settings = settings or Settings()
        self.faults = Faults(seed)
        self.requests = RequestLog()
        document = os.environ.get(OPENAPI_VARIABLE)
        self.oracle = Oracle(Path(document) if document else None)
        world = World(self.clock, bot_name)
        self.site = Site(
            clock=self.clock,
            settings=self.settings,
            world=world,
            commands=Commands(world),
            interactions=Interactions(world),
            rate_limits=RateLimits(self.clock, rates or RateSettings()),
            nonces=Nonces(self.clock),
        )
        self.gateway = Gateway(self.site)
        self._app = web.Application(client_max_size=64 * 1024 * 1024)
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=0.1)
        self._listening: web.TCPSite | None = None
        self._port = 0
        self.admin = self.person("admin")
        self.home = world.create_guild("Home", self.admin.user, bot_permissions=BOT_PERMISSIONS)
        self.general = self.channel("general")

    async def __aenter__(self) -> Self:
        door = RestDoor(self.site, self.faults, self.oracle, self.requests)
        modules = (rest_account, rest_channels, rest_messages, rest_interactions)
        door.mount(self._app, [route for module in modules for route in module.ROUTES])
        self._app.router.add_get("/gateway", self.gateway.serve)
        self._app.router.add_get("/gateway/", self.gateway.serve)
        self._app.router.add_get("/cdn/attachments/{channel_id}/{attachment_id}/{filename}", self._serve_file)
        await self._runner.setup()
        await self._listen()
        self.site.world.cdn = f"{self.url}/cdn"
        self.site.gateway_url = f"ws://127.0.0.1:{self._port}/gateway"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.faults.release_all()
        self.gateway.abort()
        await self._runner.cleanup()
        self.clock.stop()

    # Where it is

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, for `point_discord_py_at`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def token(self) -> str:
        """The bot token that it accepts."""
        return self.settings.token

    def command_line(self, module: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """argv and the added environment that run `module` as a bot against this fake in a new process."""
        argv = [sys.executable, "-m", "tests.fakes.run_bot", module, *arguments]
        return argv, {URL_VARIABLE: self.url, "PYTHONPATH": str(_ROOT)}

    # Who and what there is

    @property
    def bot(self) -> User:
        return self.site.world.bot

    @property
    def pings(self) -> list[Ping]:
        """Everybody who was really notified, in order. Edits never add one."""
        return self.site.world.pings

    @property
    def bot_pings(self) -> list[Ping]:
        """Those of `pings` that messages of the bot under test caused."""
        own = {one.id for one in self.messages() if one.author.id == self.bot.id}
        return [ping for ping in self.pings if ping.message_id in own]

    def person(
        self, name: str, *, guild: Guild | None = None, roles: tuple[Role, ...] = (), bot: bool = False
    ) -> Person:
        """A new user, a member of `guild` if one is given."""
        made = Person(self.site, self.site.world.create_user(name, bot=bot))
        if guild is not None:
            made.join(guild, roles)
        return made

    def member(self, name: str, *roles: Role) -> Person:
        """A new member of Home."""
        return self.person(name, guild=self.home, roles=roles)

    def role(
        self, name: str, permissions: int = 0, *, guild: Guild | None = None, mentionable: bool = False
    ) -> Role:
        """A new role of `guild` (Home)."""
        guild = guild or self.home
        made = Role(self.site.world.next_id(), guild.id, name, permissions, mentionable)
        guild.roles[made.id] = made
        data = {"guild_id": str(guild.id), "role": _role_payload(made)}
        self.site.world.announce(Event("GUILD_ROLE_CREATE", data, Intent.GUILDS))
        return made

    def guild(self, name: str, owner: Person, *, bot_permissions: int = BOT_PERMISSIONS) -> Guild:
        """A further guild; the bot is told at once that it was added to it."""
        return self.site.world.create_guild(name, owner.user, bot_permissions=bot_permissions)

    def channel(self, name: str, *, guild: Guild | None = None) -> Place:
        """A new text channel in `guild` (Home)."""
        return Place(self.site, places.create_channel(self.site.world, guild or self.home, name))

    def channel_of(self, kind: ChannelType, name: str) -> Place:
        """A new voice, stage or announcement channel in Home."""
        return Place(self.site, places.create_channel(self.site.world, self.home, name, kind))

    def forum(
        self,
        name: str,
        *,
        tags: tuple[str, ...] = (),
        moderated: tuple[str, ...] = (),
        requires_tag: bool = False,
    ) -> Place:
        """A new forum in Home. Only moderators may set the tags in `moderated`."""
        kind = ChannelType.FORUM
        made = places.create_channel(
            self.site.world,
            self.home,
            name,
            kind,
            tags={tag: tag in moderated for tag in tags},
            requires_tag=requires_tag,
        )
        return Place(self.site, made)

    def dm(self, person: Person) -> Place:
        """The DM channel of the bot and `person`."""
        return Place(self.site, self.site.world.dm(person.user))

    def place(self, channel_id: int) -> Place:
        """The channel or thread with this id. Raises `ApiError` when there is none."""
        return Place(self.site, self.site.world.channel(channel_id))

    def threads(self) -> list[Place]:
        """All threads of all guilds, oldest first."""
        return [Place(self.site, one) for one in self.site.world.channels.values() if one.thread is not None]

    def messages(self) -> list[Message]:
        """All messages that are not ephemeral, oldest first."""
        every = [one for channel in self.site.world.channels.values() for one in channel.messages.values()]
        return sorted(every, key=lambda one: one.id)

    def remove_bot(self, guild: Guild) -> None:
        """Kick the bot; it is told at once."""
        del guild.members[self.bot.id]
        self.site.world.announce(Event("GUILD_DELETE", {"id": str(guild.id)}))

    def webhook(self, place: Place, name: str, text: str = "", *, embeds: Sequence[Json] = ()) -> Message:
        """A message from a webhook that is not the bot's, as CI and monitoring send them."""
        limits.check_message({"content": text, "embeds": [*embeds]}, files=0)
        author = self.site.world.create_user(name)
        author.webhook = True
        return posting.post(self.site.world, place.model, Draft(author=author, content=text, embeds=[*embeds]))

    # Time and trouble

    def advance(self, seconds: float) -> None:
        """Let the fake's time pass: nonces are forgotten, interactions expire, buckets refill."""
        self.clock.advance(seconds)

    def assert_clean(self) -> None:
        """No violation of Discord's document, and no failure of the fake itself."""
        failed = [one for one in self.requests if one.status == 500 and one.answer is not None]
        assert not failed, f"the fake failed: {failed}"
        assert not self.oracle.violations, "\n".join(str(one) for one in self.oracle.violations)

    async def until(self, predicate: Callable[[], T | None], timeout_s: float = DEFAULT_WAIT_S) -> T:
        """Wait until `predicate()` answers something true, and return that; it is asked after every change.

        A change is anything on REST or gateway. Raises `TimeoutError`.
        """
        return await self.site.world.until(lambda: predicate() or None, timeout_s)

    async def until_connected(self, timeout_s: float = DEFAULT_WAIT_S) -> None:
        """Wait until a bot listens on the gateway. Raises `TimeoutError`."""
        await self.until(lambda: self.gateway.connected, timeout_s)

    async def until_gone(self, timeout_s: float = DEFAULT_WAIT_S) -> None:
        """Wait until no bot is connected. Raises `TimeoutError`."""
        await self.until(lambda: not self.gateway.connections, timeout_s)

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        """Refuse every connection and cut all that are open, for the time of the block."""
        assert self._listening is not None
        await self._listening.stop()
        server = self._runner.server
        assert server is not None
        for protocol in server.connections:
            if protocol.transport is not None:
                protocol.transport.abort()
        try:
            yield
        finally:
            await self._listen()

    async def _listen(self) -> None:
        self._listening = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._listening.start()
        if self._port == 0:
            self._port = int(self._runner.addresses[0][1])

    async def _serve_file(self, request: web.Request) -> web.Response:
        found = self.site.world.files.get(int(request.match_info["attachment_id"]))
        if found is None or found.filename != request.match_info["filename"]:
            raise web.HTTPNotFound
        return web.Response(body=found.data, content_type=found.content_type)


def _role_payload(role: Role) -> dict[str, object]:
    from .payloads import role as payload

    return payload(role, 1)
