-- The user whose process answered for `decided_by` over the control socket: api/access.py, Actor.through. Empty: none.
ALTER TABLE asks ADD COLUMN decided_through TEXT NOT NULL DEFAULT '';
