-- What queries on runs ask for, in a narrow index: a query with several conditions reads no whole row before it fits.
CREATE INDEX runs_facts ON runs (number, status, phase, project, branch, user_id, session_id, created_ms);
