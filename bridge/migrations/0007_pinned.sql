-- Lists show pinned sessions first, and retention never archives them. The snapshot is the truth; the column is read
-- from it, so that nothing has to keep the two alike. A damaged snapshot is made anew from the events: until then it
-- is not pinned, and nothing may fail on it.
ALTER TABLE sessions ADD COLUMN pinned INTEGER NOT NULL
    GENERATED ALWAYS AS (CASE WHEN json_valid(data) THEN coalesce(data ->> 'pinned', 0) ELSE 0 END) VIRTUAL;
CREATE INDEX sessions_by_pin ON sessions (pinned DESC, last_activity_ms DESC, id DESC);
