-- People's decisions on projects (work directories): the parts that count, for the content that they saw listed.
CREATE TABLE project_trust (
    directory TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('closed', 'instructions', 'trusted')),
    content_hash TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
