"""Read hosts and their inputs."""

import json
from collections.abc import Sequence
from typing import Any

from backends.base import HostRef, InputLine
from sessions.model import SessionId
from sessions.stored import HostStatus, StoredHost, StoredInput
from storage import Database

Place = tuple[SessionId, int]
"""A session, and the number of one of its hosts."""


async def load_hosts(db: Database, places: Sequence[Place]) -> dict[Place, StoredHost]:
    """Return the rows of hosts, ended ones included. The `ref` is None until the launch is stored."""
    rows = await db.read(
        # One query for all sessions of a start, as JSON: a list of a thousand values would need as many
        # placeholders.
        "SELECT session_id, number, backend, address, status, applied, replay_from FROM json_each(?) AS place"
        " JOIN hosts ON session_id = place.value ->> 0 AND number = place.value ->> 1",
        (json.dumps(places),),
    )
    return {(SessionId(row[0]), row[1]): _host(row[1:]) for row in rows}


def _host(row: Sequence[Any]) -> StoredHost:
    number, backend, address, status, applied, replay_from = row
    # Without an address, the bridge ended between the host's row and its launch, or before the launch was
    # stored.
    ref = HostRef(backend, address) if address else None
    return StoredHost(number, ref, HostStatus(status), applied, replay_from)


async def hosts_not_ended(db: Database) -> set[HostRef]:
    """Return the addresses of hosts without a recorded end. Hosts without a stored address are left out."""
    rows = await db.read("SELECT backend, address FROM hosts WHERE status <> 'ended' AND address <> ''")
    return {HostRef(str(backend), str(address)) for backend, address in rows}


async def has_process_elsewhere(db: Database, session_id: SessionId, conversation_id: str) -> bool:
    """Whether another session runs a process on the conversation.

    Claude's own register does not tell: each sandbox has one of its own.
    """
    rows = await db.read(
        "SELECT 1 FROM sessions JOIN hosts ON hosts.session_id = sessions.id AND hosts.status <> 'ended'"
        " WHERE conversation_id = ? AND sessions.id <> ? LIMIT 1",
        (conversation_id, session_id),
    )
    return bool(rows)


async def load_inputs(db: Database, places: Sequence[Place]) -> dict[Place, list[StoredInput]]:
    """Return each host's unacknowledged inputs and its last input, in order. Hosts without inputs are left out.

    The row of an acknowledged input keeps its offset but not its bytes.
    """
    rows = await db.read(
        "SELECT session_id, host, inputs.number, start, line, token, acknowledged FROM json_each(?) AS place"
        " JOIN inputs ON session_id = place.value ->> 0 AND host = place.value ->> 1"
        # The last input tells where the next line starts, even if the CLI has acknowledged all.
        " WHERE NOT acknowledged OR inputs.number ="
        " (SELECT max(number) FROM inputs WHERE session_id = place.value ->> 0 AND host = place.value ->> 1)"
        " ORDER BY session_id, host, inputs.number",
        (json.dumps(places),),
    )
    found: dict[Place, list[StoredInput]] = {}
    for row in rows:
        found.setdefault((SessionId(row[0]), row[1]), []).append(_input(row[2:]))
    return found


def _input(row: Sequence[Any]) -> StoredInput:
    return StoredInput(row[0], InputLine(row[1], bytes(row[2])), row[3], bool(row[4]))
