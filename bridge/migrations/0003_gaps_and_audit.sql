-- A block that was lost on the way and read back from Claude's transcript: it stands before the block with this
-- ordinal. NULL: it stands where its ordinal says.
ALTER TABLE blocks ADD COLUMN before INTEGER;

-- Only retention removes rows of the audit. It first stores how long rows are kept, and a trigger refuses to remove
-- a younger row. Before, nothing forbade removing rows.
CREATE TABLE audit_kept (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- Unix epoch: rows from this time on are kept
    from_ms INTEGER NOT NULL
) STRICT;
CREATE TRIGGER audit_keeps_young_rows BEFORE DELETE ON audit
WHEN OLD.at_ms >= coalesce((SELECT from_ms FROM audit_kept), 0)
BEGIN
    SELECT RAISE(ABORT, 'audit rows are kept as long as retention says');
END;
