-- Comments on lines of a turn's changes. One waits until a turn with the origin `sent_origin` exists.
CREATE TABLE review_comments (
    id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    turn_id TEXT NOT NULL,
    path TEXT NOT NULL,
    line INTEGER NOT NULL,
    is_removed INTEGER NOT NULL,
    snippet TEXT NOT NULL,
    text TEXT NOT NULL,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    origin TEXT NOT NULL,
    sent_origin TEXT NOT NULL DEFAULT '',
    UNIQUE (session_id, origin)
) STRICT, WITHOUT ROWID;
