-- Pages for readers without a login: a conversation as it was at one event, with secrets taken out. A draft has no
-- address yet: its maker looks at it first. Only the hash of the address's secret is stored.
CREATE TABLE shared_pages (
    id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    made_by TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    as_of INTEGER NOT NULL,
    turns INTEGER NOT NULL,
    content BLOB NOT NULL,
    token_hash TEXT UNIQUE,
    expires_ms INTEGER,
    opened INTEGER NOT NULL DEFAULT 0,
    opened_ms INTEGER
) STRICT;
CREATE INDEX shared_pages_by_session ON shared_pages (session_id, made_ms);
