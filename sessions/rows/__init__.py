"""The SQL of `sessions`: how events become rows, and how rows become values again.

Tables: `bridge/migrations/0001_sessions.sql`.
"""

from sessions.rows.projection import (
    insert_block,
    insert_event,
    insert_session,
    project_event,
    update_session,
)
from sessions.rows.reading import (
    conversations_in_use,
    count_blocks,
    find_branch_point,
    find_by_key,
    find_turn_by_origin,
    load_ask,
    load_asks,
    load_blocks,
    load_events,
    load_host,
    load_inputs,
    load_shares,
    load_snapshot,
    load_turn,
    load_turns,
    sessions_to_recover,
)
from sessions.rows.values import (
    StoredAsk,
    StoredHost,
    StoredInput,
    StoredTurn,
)
from sessions.rows.writing import (
    acknowledge_input,
    delete_share,
    host_applied,
    host_launched,
    insert_host,
    insert_input,
    insert_stored_ask,
    insert_stored_turn,
    upsert_share,
)

__all__ = [
    "StoredAsk",
    "StoredHost",
    "StoredInput",
    "StoredTurn",
    "acknowledge_input",
    "conversations_in_use",
    "count_blocks",
    "delete_share",
    "find_branch_point",
    "find_by_key",
    "find_turn_by_origin",
    "host_applied",
    "host_launched",
    "insert_block",
    "insert_event",
    "insert_host",
    "insert_input",
    "insert_session",
    "insert_stored_ask",
    "insert_stored_turn",
    "load_ask",
    "load_asks",
    "load_blocks",
    "load_events",
    "load_host",
    "load_inputs",
    "load_shares",
    "load_snapshot",
    "load_turn",
    "load_turns",
    "project_event",
    "sessions_to_recover",
    "update_session",
    "upsert_share",
]
