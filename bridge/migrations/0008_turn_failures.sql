-- The failure at Claude's side that ended a turn: sessions/troubles.py, Failure, as JSON. Empty without one. Empty for
-- older turns, too: their `reason` is a sentence.
ALTER TABLE turns ADD COLUMN failure TEXT NOT NULL DEFAULT '';
