-- The times of a session are numbers, as in every other table. They were ISO 8601 text before. SQLite cannot change
-- the type of a column, so the table is made anew; the tables that refer to it refer to it by name.
CREATE TABLE sessions_anew (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    status TEXT NOT NULL,
    model TEXT NOT NULL,
    -- UTC, milliseconds since the Unix epoch: the two columns in milliseconds whose names do not end in _ms
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- the snapshot as JSON (sessions/state.py)
    data TEXT NOT NULL,
    key TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL DEFAULT '',
    project TEXT NOT NULL DEFAULT '',
    work_directory TEXT NOT NULL DEFAULT '',
    conversation_id TEXT NOT NULL DEFAULT '',
    last_activity_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
-- 2440587.5 is the Julian day of the epoch. A time that SQLite cannot read becomes that of the last activity.
INSERT INTO sessions_anew
SELECT id, user_id, channel_id, status, model,
    coalesce(CAST(round((julianday(created_at) - 2440587.5) * 86400000) AS INTEGER), last_activity_ms),
    coalesce(CAST(round((julianday(updated_at) - 2440587.5) * 86400000) AS INTEGER), last_activity_ms),
    data, key, title, project, work_directory, conversation_id, last_activity_ms
FROM sessions;
DROP TABLE sessions;
ALTER TABLE sessions_anew RENAME TO sessions;
-- As in 0001_sessions.sql: they went with the old table.
CREATE UNIQUE INDEX sessions_by_key ON sessions (key) WHERE key <> '' AND status <> 'ended';
CREATE INDEX sessions_by_user ON sessions (user_id, last_activity_ms DESC);
CREATE INDEX sessions_by_channel ON sessions (channel_id, last_activity_ms DESC);
CREATE INDEX sessions_by_activity ON sessions (last_activity_ms DESC);
CREATE INDEX sessions_by_conversation ON sessions (conversation_id) WHERE conversation_id <> '';
CREATE INDEX sessions_to_recover ON sessions (status) WHERE status IN ('queued', 'starting', 'live', 'stopping');
