"""The access rules of the settings for people on Discord, and the present role of a person, asked over REST.

`NamedPeople` is for people whom another process names over the control socket. That process does not tell
their rights. The running bot asks through its own client (`bot/members.py`).
"""

import asyncio
from typing import TYPE_CHECKING

from api import wire
from api.access import Actor, Role
from bot.actors import AccessPolicy, Somebody, actor_of, core_id, discord_id
from bridge.control_socket import local_actor
from bridge.settings import Settings
from sessions.errors import SessionError

if TYPE_CHECKING:
    from bridge.discord_rest import DiscordRest

# Every request of a page asks, and Discord bounds requests. A role may be wrong for so long, so what changes
# something asks anew.
_KNOWN_S = 30.0
_STRONGEST = (Role.ADMIN, Role.USER, Role.VIEWER, Role.NOBODY)


def access_policy(settings: Settings) -> AccessPolicy:
    """Return the access rules of the settings: the users and roles that may use the bot."""
    return AccessPolicy(
        guild_ids=settings.allowed_guild_ids,
        user_ids=settings.allowed_user_ids,
        role_ids=settings.allowed_role_ids,
        viewer_role_ids=settings.viewer_role_ids,
        admin_ids=settings.admin_user_ids,
    )


class NamedPeople:
    """Makes actors of people who are named by id: of Discord, or the user of this machine's terminal."""

    def __init__(self, settings: Settings, api: str = "") -> None:
        self._settings = settings
        self._policy = access_policy(settings)
        self._api = api
        self._known: dict[int, tuple[float, Actor]] = {}
        self._names: dict[int, str] = {}

    async def actor(self, named: wire.Named, *, fresh: bool = False) -> Actor:
        """Return the actor with the present role; what Discord said counts for 30 s, or not at all if `fresh`.

        A person with several servers has the role of the one where it is strongest. Ids of other kinds have
        none. Raises `SessionError` if Discord does not answer: nobody knows the role then.
        """
        local = local_actor()
        if named.user_id == local.user_id:
            return Actor(local.user_id, named.face, local.role)
        user_id = discord_id(named.user_id)
        # Another spelling of the same id would be another owner of sessions.
        if user_id is None or named.user_id != core_id(user_id):
            return Actor(named.user_id, named.face, Role.NOBODY)
        if fresh:
            self._known.pop(user_id, None)
        found = await self._person(user_id)
        return Actor(named.user_id, named.face, found.role, found.group_ids)

    async def name(self, user_id: str) -> str:
        """Return the name of a person on Discord, as the server shows it; empty if Discord does not know them.

        Raises `SessionError` if Discord does not answer.
        """
        found = discord_id(user_id)
        if found is None:
            return ""
        if found not in self._names:
            await self._person(found)
        return self._names.get(found, "")

    async def _person(self, user_id: int) -> Actor:
        now = asyncio.get_running_loop().time()
        # Old entries go: a process that runs for months must not collect people.
        self._known = {key: known for key, known in self._known.items() if now - known[0] < _KNOWN_S}
        if user_id not in self._known:
            self._known[user_id] = (now, await self._ask(user_id))
        return self._known[user_id][1]

    async def _ask(self, user_id: int) -> Actor:
        token = self._settings.discord_token
        if token is None:
            return Actor(core_id(user_id), "", Role.NOBODY)
        from bridge.discord_rest import (
            API,
            DiscordTrouble,
            discord_rest,
        )  # loads aiohttp, which few starts need

        guilds = sorted(self._settings.allowed_guild_ids)
        try:
            async with discord_rest(token.reveal(), self._api or API) as rest:
                found = [await self._in_guild(rest, user_id, each) for each in guilds]
        except DiscordTrouble as error:
            raise SessionError("Discord does not answer, so your role is unknown. Try again.") from error
        actors = [actor_of(self._policy, each) for each in found]
        role = min((each.role for each in actors), key=_STRONGEST.index, default=Role.NOBODY)
        groups = {group for each in actors for group in each.group_ids}
        return Actor(core_id(user_id), "", role, tuple(sorted(groups)))

    async def _in_guild(self, rest: "DiscordRest", user_id: int, guild_id: int) -> Somebody:
        from bridge.discord_rest import DiscordRefused

        try:
            member = await rest.member(str(guild_id), str(user_id))
        except DiscordRefused as refused:
            if refused.is_absent:
                return Somebody(user_id, None)
            raise
        if member.shown_name:
            self._names[user_id] = member.shown_name
        roles = frozenset(int(each) for each in member.roles)
        return Somebody(user_id, guild_id, roles, is_bot=member.user is not None and member.user.bot)
