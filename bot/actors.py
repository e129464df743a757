"""Turn a person on Discord into an `Actor` of the core: by guild, user and roles, as the settings say.

Names never count. Bots, webhooks, direct messages and foreign guilds have the role `NOBODY`. `api.access`
decides what an actor may do to a session.
"""

from collections.abc import Iterable

import msgspec

from api.access import Actor, Role

FACE = "discord"
_LARGEST_ID = 2**64 - 1
VIEWER = Actor("bridge:view", FACE, Role.ADMIN)
"""The face itself: the actor that reads sessions to show them, and looks up places before the user is known."""


class AccessPolicy(msgspec.Struct, frozen=True):
    """The Discord ids that the settings allow to use the bot."""

    guild_ids: frozenset[int]
    user_ids: frozenset[int] = frozenset()
    role_ids: frozenset[int] = frozenset()
    viewer_role_ids: frozenset[int] = frozenset()
    admin_ids: frozenset[int] = frozenset()

    def role_of(self, somebody: "Somebody") -> Role:
        """Return the strongest role that the settings give to `somebody`."""
        # First: an admin's id means nothing in a server that the settings do not name.
        if somebody.is_bot or somebody.guild_id not in self.guild_ids:
            return Role.NOBODY
        if somebody.user_id in self.admin_ids:
            return Role.ADMIN
        # By ids alone: names and nicknames can be chosen by anybody.
        if somebody.user_id in self.user_ids or somebody.groups & self.role_ids:
            return Role.USER
        if somebody.groups & self.viewer_role_ids:
            return Role.VIEWER
        return Role.NOBODY


class Somebody(msgspec.Struct, frozen=True):
    """An author or clicker as Discord describes them. `guild_id` is None in direct messages."""

    user_id: int
    guild_id: int | None
    role_ids: frozenset[int] = frozenset()
    is_bot: bool = False

    @property
    def groups(self) -> frozenset[int]:
        """The roles with @everyone, which has the guild's id: the gateway lists it, REST and history do not."""
        return self.role_ids | ({self.guild_id} if self.guild_id is not None else frozenset())


def core_id(discord_id: int) -> str:
    """Return the core's name for a user, role or channel of Discord."""
    return f"{FACE}:{discord_id}"


def discord_id(core_name: str) -> int | None:
    """Return the Discord id of a user, role or channel from the core's name; None for names of other faces."""
    from texts.whole_numbers import whole_number  # a start has no use for it

    face, _, number = core_name.partition(":")
    return whole_number(number, _LARGEST_ID) if face == FACE else None


def actor_of(policy: AccessPolicy, somebody: Somebody) -> Actor:
    """Return the core's actor for `somebody`."""
    return Actor(
        user_id=core_id(somebody.user_id),
        face=FACE,
        role=policy.role_of(somebody),
        group_ids=_groups(somebody.groups),
    )


def _groups(role_ids: Iterable[int]) -> tuple[str, ...]:
    return tuple(core_id(each) for each in sorted(role_ids))
