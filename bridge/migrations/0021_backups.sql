-- Backups below DATA_DIR/backups. Row before act, status after: one that is `making` at a start was cut and is cleared,
-- unless the end of its session makes it again; one that is `removing` is removed then.
CREATE TABLE backups (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('session', 'daily', 'milestone')),
    name TEXT NOT NULL,
    label TEXT NOT NULL DEFAULT '',
    session_id TEXT NOT NULL DEFAULT '',
    user_id TEXT NOT NULL DEFAULT '',
    project TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL CHECK (status IN ('making', 'made', 'removing')),
    sha256 TEXT NOT NULL DEFAULT '',
    size_bytes INTEGER NOT NULL DEFAULT 0,
    files INTEGER NOT NULL DEFAULT 0,
    trouble TEXT NOT NULL DEFAULT '',
    made_ms INTEGER NOT NULL,
    verified_ms INTEGER,
    damage TEXT NOT NULL DEFAULT '',
    drilled_ms INTEGER,
    copied_code INTEGER,
    copied_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX backups_in_order ON backups (made_ms DESC, id);
CREATE INDEX backups_of_session ON backups (session_id) WHERE session_id <> '';
CREATE INDEX backups_to_finish ON backups (status) WHERE status IN ('making', 'removing');

-- Restores of sessions from bundles. The row is stored with the new session; one that is `restoring` at a start is
-- finished then. `source` is a file below DATA_DIR/backups.
CREATE TABLE bundle_restores (
    session_id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('restoring', 'restored', 'failed')),
    trouble TEXT NOT NULL DEFAULT '',
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX bundle_restores_to_finish ON bundle_restores (status) WHERE status = 'restoring';
