-- Lists show pinned sessions first, and retention never archives them. The snapshot is the truth; the column is read
-- from it, so that nothing has to keep the two alike.
ALTER TABLE sessions ADD COLUMN pinned INTEGER NOT NULL
    GENERATED ALWAYS AS (coalesce(data ->> 'pinned', 0)) VIRTUAL;
CREATE INDEX sessions_by_pin ON sessions (pinned DESC, last_activity_ms DESC, id DESC);
