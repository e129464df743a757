-- The context that Claude read before a prompt: facts on the project, or the changes since its last turn. One row
-- a turn, so that a prompt that is sent again has the same. `shown` and `turns.context` are
-- the line that people see of it.
CREATE TABLE contexts (
    turn_id TEXT PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('survey', 'changes')),
    text TEXT NOT NULL,
    shown TEXT NOT NULL,
    made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE turns ADD COLUMN context TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_by_directory ON sessions (work_directory) WHERE status <> 'ended';
