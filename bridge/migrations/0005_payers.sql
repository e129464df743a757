-- The payer of a turn: an API key, or a login without one (sessions/model.py, Payer). Older turns count as paid with
-- a key: their payer was not stored.
ALTER TABLE turns ADD COLUMN payer TEXT NOT NULL DEFAULT 'key';
-- The turn came in with a file: it was run, and paid for, in another session. Budgets do not count it.
ALTER TABLE turns ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;
