-- Sessions, with their turns, blocks, asks, hosts and events. Columns in milliseconds end in _ms (UTC, Unix epoch);
-- created_at and updated_at are ISO 8601 in UTC (numbers since 0004_epoch_times.sql). `data` is the snapshot as JSON (sessions/state.py).
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    status TEXT NOT NULL,
    model TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    data TEXT NOT NULL,
    key TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL DEFAULT '',
    project TEXT NOT NULL DEFAULT '',
    work_directory TEXT NOT NULL DEFAULT '',
    conversation_id TEXT NOT NULL DEFAULT '',
    last_activity_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
-- At most one session that has not ended for a place.
CREATE UNIQUE INDEX sessions_by_key ON sessions (key) WHERE key <> '' AND status <> 'ended';
CREATE INDEX sessions_by_user ON sessions (user_id, last_activity_ms DESC);
CREATE INDEX sessions_by_channel ON sessions (channel_id, last_activity_ms DESC);
CREATE INDEX sessions_by_activity ON sessions (last_activity_ms DESC);
CREATE INDEX sessions_by_conversation ON sessions (conversation_id) WHERE conversation_id <> '';
-- The sessions that a start looks at: few, however many are stored.
CREATE INDEX sessions_to_recover ON sessions (status) WHERE status IN ('queued', 'starting', 'live', 'stopping');

CREATE TABLE turns (
    id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    author_id TEXT NOT NULL,
    origin TEXT NOT NULL DEFAULT '',
    prompt_uuid TEXT NOT NULL DEFAULT '',
    prompt TEXT NOT NULL DEFAULT '',
    attachments TEXT NOT NULL DEFAULT '[]',
    conversation_id TEXT NOT NULL DEFAULT '',
    last_uuid TEXT NOT NULL DEFAULT '',
    alternative_of TEXT,
    reason TEXT NOT NULL DEFAULT '',
    cost_usd REAL NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    cache_read_tokens INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens INTEGER NOT NULL DEFAULT 0,
    queued_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    duration_ms INTEGER NOT NULL DEFAULT 0,
    first_text_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX turns_in_order ON turns (session_id, number);
-- A face may hand in the same message again after a crash: it is one turn.
CREATE UNIQUE INDEX turns_by_origin ON turns (origin) WHERE origin <> '';
CREATE INDEX turns_not_ended ON turns (status) WHERE status IN ('queued', 'sent', 'running');
CREATE INDEX turns_by_author ON turns (author_id, queued_ms);

CREATE TABLE blocks (
    turn_id TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (turn_id, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE asks (
    id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    turn_id TEXT,
    host INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    decision TEXT NOT NULL DEFAULT '',
    decided_by TEXT NOT NULL DEFAULT '',
    opened_ms INTEGER NOT NULL,
    closed_ms INTEGER
) STRICT;
CREATE INDEX asks_by_session ON asks (session_id, opened_ms);
CREATE INDEX asks_open ON asks (status) WHERE status = 'open';

CREATE TABLE hosts (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    backend TEXT NOT NULL DEFAULT '',
    address TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL,
    -- every line of the output log that ends at or before `applied` is in the rows; text that is still
    -- being written begins at `replay_from`
    applied INTEGER NOT NULL DEFAULT 0,
    replay_from INTEGER NOT NULL DEFAULT 0,
    exit_code INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    launched_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX hosts_not_ended ON hosts (status) WHERE status <> 'ended';

CREATE TABLE inputs (
    session_id TEXT NOT NULL,
    host INTEGER NOT NULL,
    number INTEGER NOT NULL,
    start INTEGER NOT NULL,
    line BLOB NOT NULL,
    -- what the output log says when the line has arrived: a prompt's uuid or a request's id
    token TEXT NOT NULL,
    acknowledged INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (session_id, host, number),
    FOREIGN KEY (session_id, host) REFERENCES hosts (session_id, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE shares (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    grantee TEXT NOT NULL,
    level TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    granted_ms INTEGER NOT NULL,
    PRIMARY KEY (session_id, grantee)
) STRICT, WITHOUT ROWID;
CREATE INDEX shares_by_grantee ON shares (grantee);

-- The acts of people on sessions, with the face that they came from. Append-only: triggers refuse changes.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    face TEXT NOT NULL,
    action TEXT NOT NULL,
    session_id TEXT NOT NULL DEFAULT '',
    allowed INTEGER NOT NULL,
    detail TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX audit_by_session ON audit (session_id, id);
CREATE TRIGGER audit_keeps_rows BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows are never changed');
END;
