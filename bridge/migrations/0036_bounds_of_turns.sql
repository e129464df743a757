-- The first and last events of a turn are found without reading the others of its session, and without times: a
-- clock that was set back gives later events earlier times.
CREATE INDEX events_turn_bounds ON events (session_id, body ->> 'turn_id', number) WHERE kind IN
    ('turn_queued', 'turn_elsewhere', 'background_turn_started', 'turn_requeued', 'turn_withdrawn', 'turn_ended');
