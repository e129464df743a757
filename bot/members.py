"""Look up a member's present roles at Discord: without the members intent, no event reports a change."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import discord

from api.access import Actor, ActorSource
from bot.actors import AccessPolicy, Somebody, actor_of

_KNOWN_S = 30.0
_MOST_NAMES = 10


class Members:
    """Makes actors of user ids, and finds names. Methods raise `discord.HTTPException`, `CONNECTION_BROKEN`."""

    def __init__(self, client: discord.Client, access: AccessPolicy) -> None:
        self._client = client
        self._access = access
        self._known: dict[tuple[int, int], tuple[float, Somebody]] = {}

    async def actor(self, user_id: int, guild_id: int, role_ids: tuple[int, ...] | None = None) -> Actor:
        """Return the actor for a user, with `role_ids` if Discord has sent them.

        Without `role_ids` the roles are read from Discord and remembered for 30 s: a user may send many
        messages at once.
        """
        if role_ids is not None:
            return actor_of(self._access, Somebody(user_id, guild_id, frozenset(role_ids)))
        now = asyncio.get_running_loop().time()
        self._known = {key: known for key, known in self._known.items() if now - known[0] < _KNOWN_S}
        if (guild_id, user_id) not in self._known:
            self._known[guild_id, user_id] = (now, await self._ask(user_id, guild_id))
        return actor_of(self._access, self._known[guild_id, user_id][1])

    async def names(self, user_ids: Iterable[int], guild_id: int) -> dict[int, str]:
        """Return the names of these users in the server, at most ten; users who have left it have none."""
        found: dict[int, str] = {}
        for user_id in list(user_ids)[:_MOST_NAMES]:
            with suppress(discord.NotFound):
                member = await self._client.http.get_member(guild_id, user_id)
                user = member["user"]
                found[user_id] = member.get("nick") or user.get("global_name") or user["username"]
        return found

    def source(self, user_id: int, guild_id: int) -> ActorSource:
        """Return a function that reads the user's roles from Discord at each call."""

        async def ask() -> Actor:
            return actor_of(self._access, await self._ask(user_id, guild_id))

        return ask

    async def _ask(self, user_id: int, guild_id: int) -> Somebody:
        try:
            # Over REST, one member at a time: the members intent is privileged and not asked for.
            member = await self._client.http.get_member(guild_id, user_id)
        except discord.NotFound:
            return Somebody(user_id, None)  # the user has left the guild
        roles = frozenset(int(each) for each in member["roles"])
        return Somebody(user_id, guild_id, roles, is_bot=bool(member["user"].get("bot")))
