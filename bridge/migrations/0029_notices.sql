-- The notices of a session are found without reading its other events.
CREATE INDEX events_notices ON events (session_id, number) WHERE kind = 'noticed';
