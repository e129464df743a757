"""The few requests that set-up sends to Discord before a bot runs: the bot's account, servers and permissions.

It only reads, and only over REST. The running bot talks to Discord through discord.py.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout

API = "https://discord.com/api/v10"

_ANSWER_S = 15.0
_MESSAGE_CONTENT = 1 << 18 | 1 << 19  # granted after a review, or switched on for a bot in few servers

T = TypeVar("T")


class DiscordTrouble(Exception):
    """Root of the errors of requests to Discord; the message is a sentence."""


class DiscordRefused(DiscordTrouble):
    """Discord answered with a refusal."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Discord refuses this (HTTP {status}).")
        self.status = status

    @property
    def token_is_wrong(self) -> bool:
        """Whether Discord rejected the token."""
        return self.status == 401

    @property
    def is_absent(self) -> bool:
        """Whether the object does not exist or is hidden from this bot: Discord does not tell them apart."""
        return self.status in (403, 404)


class DiscordUnreachable(DiscordTrouble):
    """Discord did not answer, or the answer makes no sense."""


class User(msgspec.Struct, frozen=True):
    """A person or a bot."""

    id: str
    username: str = ""
    bot: bool = False
    global_name: str | None = None


class Application(msgspec.Struct, frozen=True):
    """The application behind a bot. `team` is set when no single person owns it."""

    id: str
    name: str = ""
    flags: int = 0
    bot_public: bool = True
    owner: User | None = None
    team: dict[str, object] | None = None

    @property
    def reads_messages(self) -> bool:
        """Whether the Message Content intent is switched on."""
        return bool(self.flags & _MESSAGE_CONTENT)


class Role(msgspec.Struct, frozen=True):
    """A role; `permissions` is a number written as text."""

    id: str
    name: str = ""
    permissions: str = "0"


class Guild(msgspec.Struct, frozen=True):
    """A server, with its roles."""

    id: str
    name: str = ""
    owner_id: str = ""
    roles: tuple[Role, ...] = ()


class Member(msgspec.Struct, frozen=True):
    """A member of a server, with the ids of their roles."""

    roles: tuple[str, ...] = ()
    user: User | None = None
    nick: str | None = None

    @property
    def shown_name(self) -> str:
        """The name that Discord shows for the member; empty if it told none."""
        user = self.user or User("")
        return self.nick or user.global_name or user.username


class DiscordRest:
    """Requests as one bot. Each raises `DiscordRefused` or `DiscordUnreachable`."""

    def __init__(self, http: ClientSession, token: str, api: str) -> None:
        self._http = http
        self._token = token
        self._api = api

    async def me(self) -> User:
        """Return the bot's own account."""
        return await self._get("/users/@me", User)

    async def application(self) -> Application:
        """Return the application behind the bot."""
        return await self._get("/applications/@me", Application)

    async def guilds(self) -> tuple[Guild, ...]:
        """Return the first 200 servers that the bot is in, without their roles."""
        return await self._get("/users/@me/guilds", tuple[Guild, ...])

    async def guild(self, guild_id: str) -> Guild:
        """Return a server that the bot is in. If it is not in it, the error has `is_absent`."""
        return await self._get(f"/guilds/{guild_id}", Guild)

    async def member(self, guild_id: str, user_id: str) -> Member:
        """Return a member of the server. If nobody there has the id, the error has `is_absent`."""
        return await self._get(f"/guilds/{guild_id}/members/{user_id}", Member)

    async def _get(self, path: str, kind: type[T]) -> T:
        # Discord's documentation demands a user agent of this form; others may be blocked before they reach it.
        headers = {"Authorization": f"Bot {self._token}", "User-Agent": "DiscordBot (claude-discord-bridge, 0)"}
        try:
            async with self._http.get(f"{self._api}{path}", headers=headers) as answer:
                # No second try here: a person waits, and too many refused requests ban the address of the
                # machine.
                if answer.status == 429:
                    raise DiscordUnreachable("Discord asks to wait; try again in a minute.")
                if answer.status >= 500:
                    raise DiscordUnreachable(f"Discord has trouble (HTTP {answer.status}).")
                if answer.status >= 400:
                    raise DiscordRefused(answer.status)
                return msgspec.json.decode(await answer.read(), type=kind)
        except (ClientError, TimeoutError, OSError) as error:
            raise DiscordUnreachable("Discord does not answer.") from error
        except (ValueError, RecursionError) as error:
            raise DiscordUnreachable("What answers is not Discord.") from error


@asynccontextmanager
async def discord_rest(token: str, api: str = API) -> AsyncIterator[DiscordRest]:
    """Ask Discord at `api` as the bot of `token`, inside the block."""
    async with ClientSession(timeout=ClientTimeout(total=_ANSWER_S)) as http:
        yield DiscordRest(http, token, api)
