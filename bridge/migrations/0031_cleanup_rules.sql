-- Clean-up rules that run once a day in the name of the person who made them. `body` is the rule as JSON.
CREATE TABLE cleanup_rules (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    body TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    ran_ms INTEGER,
    removed INTEGER NOT NULL DEFAULT 0,
    trouble TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
