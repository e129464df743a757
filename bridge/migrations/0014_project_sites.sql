-- Hosts of the internet that sandboxes of a project wanted to reach, and what people decided on them.
CREATE TABLE project_sites (
    directory TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('wanted', 'allowed', 'refused')),
    -- Empty while it is only wanted.
    decided_by TEXT NOT NULL DEFAULT '',
    -- Unix epoch: when it was first wanted, or decided.
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (directory, name)
) STRICT, WITHOUT ROWID;
