-- The key of the act that wrote a note: the same act, repeated after a crash, finds its note.
ALTER TABLE session_notes ADD COLUMN origin TEXT NOT NULL DEFAULT '';
CREATE INDEX session_notes_by_origin ON session_notes (session_id, origin) WHERE origin <> '';
