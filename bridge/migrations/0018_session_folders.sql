-- The folder of a session: its readable id, its notes, its artifacts, its end. The files below DATA_DIR/projects are
-- views of these rows; only the text of notes and decisions counts in its file, because people edit it there.
-- Nothing refers to `sessions`: an archived folder stays when retention deletes its session.
CREATE TABLE session_folders (
    session_id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    directory TEXT NOT NULL,
    day TEXT NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    focus TEXT NOT NULL,
    origin TEXT NOT NULL DEFAULT '',
    place TEXT NOT NULL DEFAULT 'active' CHECK (place IN ('active', 'archive')),
    tracked_through TEXT NOT NULL DEFAULT '',
    began_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX session_folders_by_name ON session_folders (directory, name);
CREATE UNIQUE INDEX session_folders_by_number ON session_folders (directory, day, number) WHERE origin = '';
CREATE INDEX session_folders_in_order ON session_folders (directory, place, day, number);

CREATE TABLE session_notes (
    session_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('note', 'decision')),
    number INTEGER NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    file TEXT NOT NULL,
    author_id TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    PRIMARY KEY (session_id, kind, number)
) STRICT, WITHOUT ROWID;

-- Files that the session created, changed or deleted, from the changes stored with its checkpoints. A row of its own,
-- because checkpoints go with their age.
CREATE TABLE session_artifacts (
    session_id TEXT NOT NULL,
    path BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('created', 'changed', 'deleted')),
    added INTEGER NOT NULL DEFAULT 0,
    removed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (session_id, path)
) STRICT, WITHOUT ROWID;

-- Row before act, status after: an end that is `ending` at a start was cut, and is finished then. `proposed` is Claude's
-- wish; without a click it changes nothing.
CREATE TABLE session_ends (
    session_id TEXT PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('drafted', 'proposed', 'ending', 'ended')),
    draft TEXT NOT NULL DEFAULT '',
    drafted_by TEXT NOT NULL DEFAULT '',
    drafted_ms INTEGER NOT NULL DEFAULT 0,
    summary TEXT NOT NULL DEFAULT '',
    score TEXT NOT NULL DEFAULT '{}',
    metrics TEXT NOT NULL DEFAULT '{}',
    by_user TEXT NOT NULL DEFAULT '',
    with_bundle INTEGER NOT NULL DEFAULT 1,
    trouble TEXT NOT NULL DEFAULT '',
    began_ms INTEGER NOT NULL DEFAULT 0,
    ended_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX session_ends_to_finish ON session_ends (status) WHERE status = 'ending';
