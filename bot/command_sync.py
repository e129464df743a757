"""Register the commands with Discord: per server, and only if they changed.

Discord allows few registrations a day, so the last registration is remembered by its hash.
"""

import hashlib
from typing import Any

import discord
import msgspec
from discord import app_commands

from bot.rows import load_fact, store_fact
from storage import Database, Statement


class _Synced(msgspec.Struct, frozen=True):
    """A server's last registration: the hash of the commands, and their ids by name."""

    hash: str
    ids: dict[str, int]


async def sync_commands(
    client: discord.Client, db: Database, guild_id: int, *, even_if_equal: bool = False
) -> bool:
    """Register the tree's commands in a server if they changed. Return whether it registered them.

    Raises `discord.HTTPException`.
    """
    tree: app_commands.CommandTree[Any] = client.tree  # type: ignore[attr-defined]  # commands.Bot has one
    payload = [command.to_dict(tree) for command in tree.get_commands()]
    digest = hashlib.sha256(msgspec.json.encode(payload, order="deterministic")).hexdigest()
    known = await _load(db, guild_id)
    # Discord takes 200 new commands a day for each server: a loop of restarts must not use them up.
    if known is not None and known.hash == digest and not even_if_equal:
        return False
    assert client.application_id is not None
    made = await client.http.bulk_upsert_guild_commands(client.application_id, guild_id, payload)
    ids = {str(each["name"]): int(each["id"]) for each in made}
    # Afterwards: a kill in between registers the same commands again, which changes nothing.
    await db.write([_store(guild_id, _Synced(digest, ids))])
    return True


async def load_command_ids(db: Database, guild_id: int) -> dict[str, int]:
    """Return Discord's ids of the commands, by name; empty before the first registration."""
    known = await _load(db, guild_id)
    return known.ids if known is not None else {}


def _fact(guild_id: int) -> str:
    return f"commands:{guild_id}"


async def _load(db: Database, guild_id: int) -> _Synced | None:
    text = await load_fact(db, _fact(guild_id))
    return msgspec.json.decode(text, type=_Synced) if text else None


def _store(guild_id: int, synced: _Synced) -> Statement:
    return store_fact(_fact(guild_id), msgspec.json.encode(synced).decode())
