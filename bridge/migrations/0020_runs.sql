-- Runs of work-flows. `data` is the whole run as JSON (workflows/model.py); the other columns are for queries.
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL DEFAULT '',
    project TEXT NOT NULL DEFAULT '',
    branch TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL CHECK (status IN ('initializing', 'planning', 'generating_tasks', 'implementing',
        'validating', 'generating_report', 'completed', 'failed', 'paused')),
    phase TEXT NOT NULL CHECK (phase IN ('plan', 'generate_tasks', 'implement', 'validate', 'cleanup')),
    origin TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    version INTEGER NOT NULL,
    data TEXT NOT NULL CHECK (json_valid(data))
) STRICT;
CREATE UNIQUE INDEX runs_by_origin ON runs (origin) WHERE origin <> '';
CREATE INDEX runs_by_user ON runs (user_id, number);
CREATE INDEX runs_by_session ON runs (session_id, number);
CREATE INDEX runs_by_project ON runs (project, number);
CREATE INDEX runs_by_branch ON runs (branch, number);
CREATE INDEX runs_by_status ON runs (status, number);
CREATE INDEX runs_by_phase ON runs (phase, number);
CREATE INDEX runs_by_time ON runs (created_ms);
CREATE INDEX runs_active ON runs (number) WHERE status NOT IN ('completed', 'failed');

-- The words of requests, for searching.
CREATE VIRTUAL TABLE run_texts USING fts5 (text, prefix = '2 3');
