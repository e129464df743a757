-- `pinned` is a column like the others of the row. Until now it was made from `data`, so that each change of `data`
-- parsed the old and the new JSON, and moved the row in the index of pins.
DROP INDEX sessions_by_pin;
ALTER TABLE sessions DROP COLUMN pinned;
ALTER TABLE sessions ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET pinned = 1 WHERE CASE WHEN json_valid(data) THEN data ->> 'pinned' END;
CREATE INDEX sessions_by_pin ON sessions (pinned DESC, last_activity_ms DESC, id DESC);

-- Sessions that moved to another project kept the old one in their row.
UPDATE sessions SET project = data ->> 'project'
    WHERE CASE WHEN json_valid(data) THEN project <> data ->> 'project' END;
