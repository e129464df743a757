-- Prompts with places to fill in. `owner_id` is empty for those that an admin made for all.
CREATE TABLE prompt_templates (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    project TEXT NOT NULL,
    model TEXT NOT NULL,
    mode TEXT,
    made_ms INTEGER NOT NULL,
    UNIQUE (owner_id, name)
) STRICT, WITHOUT ROWID;
