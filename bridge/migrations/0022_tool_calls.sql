-- Calls of Claude to tools of ours that wait for an answer. `at` is the place of the call in the host's output log.
CREATE TABLE tool_calls (
    session_id TEXT NOT NULL,
    host INTEGER NOT NULL,
    at INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    rpc_id TEXT NOT NULL,
    name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    tool_use_id TEXT NOT NULL,
    PRIMARY KEY (session_id, host, at),
    FOREIGN KEY (session_id, host) REFERENCES hosts (session_id, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- The key of the act that asked for a checkpoint: the same act, repeated after a crash, finds its checkpoint.
ALTER TABLE checkpoints ADD COLUMN origin TEXT NOT NULL DEFAULT '';
CREATE INDEX checkpoints_by_origin ON checkpoints (owner, origin) WHERE origin <> '';
