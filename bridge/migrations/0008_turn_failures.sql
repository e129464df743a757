-- What went wrong at Claude's side in a turn that failed: sessions/troubles.py, Failure, as JSON. Empty: nothing did, or
-- the turn is older; its `reason` is a sentence then.
ALTER TABLE turns ADD COLUMN failure TEXT NOT NULL DEFAULT '';
