-- The result of a turn that surveyed the project ("Look closer"): the session's first context from then on. Each new
-- conversation of the session is told it with its first prompt.
CREATE TABLE session_surveys (
    session_id TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    turn_id TEXT NOT NULL,
    text TEXT NOT NULL,
    made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
