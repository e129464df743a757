-- Permissions that people gave: for a session (they go with it), or for a project (a work directory).
-- `kind` allow: `value` is a rule in Claude Code's spelling; directory: an absolute path.
CREATE TABLE permission_rules (
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL CHECK (scope IN ('session', 'project')),
    session_id TEXT REFERENCES sessions (id) ON DELETE CASCADE,
    work_directory TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('allow', 'directory')),
    value TEXT NOT NULL,
    given_by TEXT NOT NULL,
    -- of a project's rule: it holds in everybody's sessions, not only in those of `given_by`
    for_all INTEGER NOT NULL DEFAULT 0,
    given_ms INTEGER NOT NULL,
    CHECK ((scope = 'session') = (session_id IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX permission_rules_of_session ON permission_rules (session_id, kind, value)
    WHERE scope = 'session';
CREATE UNIQUE INDEX permission_rules_of_project ON permission_rules (work_directory, given_by, kind, value)
    WHERE scope = 'project';
