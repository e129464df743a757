"""Mentions of a message, and the people that it notifies. Pure; follows Discord's "Allowed Mentions Object".

Stricter than Discord in one point: a mention inside code counts as one, so that a checker never misses a ping.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import Problem
from .model import Guild, Json

_USER = re.compile(r"<@!?(\d{1,20})>")
_ROLE = re.compile(r"<@&(\d{1,20})>")
_EVERYONE = re.compile(r"@(?:everyone|here)\b")
_KINDS = ("users", "roles", "everyone")


@dataclass(frozen=True, slots=True)
class Allowed:
    """The mentions that may notify: None for a list means every one of that kind in the text."""

    users: frozenset[int] | None
    roles: frozenset[int] | None
    everyone: bool
    replied_user: bool


MESSAGE_DEFAULT = Allowed(users=None, roles=None, everyone=True, replied_user=True)
WEBHOOK_DEFAULT = Allowed(users=None, roles=frozenset(), everyone=False, replied_user=True)


@dataclass(frozen=True, slots=True)
class Mentions:
    """The allowed mentions of a text; `reasons` tells for each notified user why."""

    users: tuple[int, ...]
    roles: tuple[int, ...]
    everyone: bool
    reasons: dict[int, str]


def read_allowed(body: Json | None, default: Allowed) -> Allowed:
    """The request's `allowed_mentions`, or `default` when it has none. Ids may be integers or strings."""
    if body is None:
        return default
    parse = body.get("parse") or []
    return Allowed(
        users=None if "users" in parse else frozenset(int(user) for user in body.get("users") or []),
        roles=None if "roles" in parse else frozenset(int(role) for role in body.get("roles") or []),
        everyone="everyone" in parse,
        replied_user=bool(body.get("replied_user", False)),
    )


def check_allowed(body: Json | None) -> list[Problem]:
    """Problems of `allowed_mentions`: unknown kinds, 101 ids, a kind both parsed and listed."""
    if body is None:
        return []
    problems = []
    parse = body.get("parse") or []
    for index, kind in enumerate(parse):
        if kind not in _KINDS:
            path = ("allowed_mentions", "parse", index)
            problems.append(Problem(path, "BASE_TYPE_CHOICES", f"Value must be one of {set(_KINDS)}."))
    for kind in ("users", "roles"):
        listed = body.get(kind) or []
        if len(listed) > 100:
            problems.append(
                Problem(("allowed_mentions", kind), "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer in length.")
            )
        if listed and kind in parse:
            text = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            problems.append(Problem(("allowed_mentions",), "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", text))
    return problems


def resolve(
    texts: Sequence[str],
    allowed: Allowed,
    guild: Guild | None,
    *,
    may_mention_all: bool,
    replied_to: int | None = None,
    people: frozenset[int] = frozenset(),
) -> Mentions:
    """Mentions in `texts` that `allowed` lets through; in a DM (`guild` None) only `people` can be named."""
    text = "\n".join(texts)
    present = frozenset(guild.members) if guild is not None else people
    reasons: dict[int, str] = {}
    named = [int(found) for found in _USER.findall(text)]
    users = [user for user in named if user in present and (allowed.users is None or user in allowed.users)]
    reasons.update(dict.fromkeys(users, "user"))
    roles = _roles(text, allowed, guild, may_mention_all=may_mention_all)
    everyone = bool(_EVERYONE.search(text)) and allowed.everyone and may_mention_all and guild is not None
    if replied_to is not None and allowed.replied_user:
        users.append(replied_to)
        reasons.setdefault(replied_to, "reply")
    if guild is not None:
        for member in guild.members.values():
            if everyone:
                reasons.setdefault(member.user.id, "everyone")
            elif any(role in member.roles for role in roles):
                reasons.setdefault(member.user.id, "role")
    return Mentions(tuple(dict.fromkeys(users)), tuple(roles), everyone, reasons)


def _roles(text: str, allowed: Allowed, guild: Guild | None, *, may_mention_all: bool) -> list[int]:
    if guild is None:
        return []
    found = []
    for role_id in dict.fromkeys(int(found) for found in _ROLE.findall(text)):
        role = guild.roles.get(role_id)
        if role is None or role_id == guild.id or not (role.mentionable or may_mention_all):
            continue
        if allowed.roles is None or role_id in allowed.roles:
            found.append(role_id)
    return found
