-- Work directories and their checkpoints. The files lie in a store under DATA_DIR; these rows say what it holds.
-- `owner` is a session, `anchor` its place in the conversation; both are words of whoever asked.
CREATE TABLE work_directories (
    path TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    store TEXT NOT NULL,
    cache TEXT NOT NULL UNIQUE,
    made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    id TEXT PRIMARY KEY,
    directory TEXT NOT NULL REFERENCES work_directories (path),
    owner TEXT NOT NULL,
    anchor TEXT NOT NULL,
    reason TEXT NOT NULL,
    label TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('taking', 'taken', 'failed')),
    trouble TEXT NOT NULL DEFAULT '',
    is_late INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0,
    ref TEXT NOT NULL DEFAULT '',
    commit_id TEXT NOT NULL DEFAULT '',
    tree TEXT NOT NULL DEFAULT '',
    files INTEGER NOT NULL DEFAULT 0,
    uncovered INTEGER NOT NULL DEFAULT 0,
    moving INTEGER NOT NULL DEFAULT 0,
    is_partial INTEGER NOT NULL DEFAULT 0,
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    made_ms INTEGER NOT NULL,
    took_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX checkpoints_by_owner ON checkpoints (owner, id DESC);
CREATE INDEX checkpoints_by_directory ON checkpoints (directory, id DESC);

-- The known causes of changes to files between two checkpoints: a turn, a restore or a merge.
CREATE TABLE file_changes (
    checkpoint TEXT NOT NULL REFERENCES checkpoints (id) ON DELETE CASCADE,
    path BLOB NOT NULL,
    directory TEXT NOT NULL,
    owner TEXT NOT NULL,
    cause TEXT NOT NULL CHECK (cause IN ('turn', 'restore', 'merge')),
    kind TEXT NOT NULL CHECK (kind IN ('created', 'changed', 'deleted')),
    added INTEGER,
    removed INTEGER,
    PRIMARY KEY (checkpoint, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_changes_by_directory ON file_changes (directory, checkpoint);

-- Row before act, status after: a restore that is `applying` at a start was cut, and is finished then.
CREATE TABLE restores (
    id TEXT PRIMARY KEY,
    directory TEXT NOT NULL REFERENCES work_directories (path),
    target TEXT NOT NULL REFERENCES checkpoints (id),
    safety TEXT NOT NULL REFERENCES checkpoints (id),
    after TEXT REFERENCES checkpoints (id),
    undoes TEXT REFERENCES restores (id),
    owner TEXT NOT NULL,
    scope TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('applying', 'applied', 'failed')),
    trouble TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0,
    kept INTEGER NOT NULL DEFAULT 0,
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER
) STRICT;
CREATE INDEX restores_by_owner ON restores (owner, id DESC);
CREATE INDEX restores_to_finish ON restores (status) WHERE status = 'applying';
