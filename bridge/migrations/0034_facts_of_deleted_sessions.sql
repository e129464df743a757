-- What the Discord face noted about a session goes with it: the words around its prompts and the texts of pasted files,
-- choices on questions, and the meanings of its buttons.
CREATE TRIGGER facts_of_deleted_session AFTER DELETE ON sessions
BEGIN
    DELETE FROM face_facts
        WHERE name IN ('asides:' || old.id, 'hint:' || old.id, 'history:' || old.id, 'muted:' || old.id);
    DELETE FROM controls WHERE session_id = old.id;
END;
CREATE TRIGGER facts_of_deleted_turn AFTER DELETE ON turns
BEGIN
    DELETE FROM face_facts WHERE name = 'alternative:' || old.id;
    DELETE FROM face_facts
        WHERE old.origin GLOB 'discord:message:*' AND name = 'prompt:' || substr(old.origin, length('discord:message:') + 1);
END;
CREATE TRIGGER facts_of_deleted_ask AFTER DELETE ON asks
BEGIN
    DELETE FROM face_facts WHERE name = 'picked:' || old.id;
END;

-- Sessions that were deleted before.
DELETE FROM face_facts
    WHERE name GLOB 'prompt:*'
        AND NOT EXISTS (SELECT 1 FROM turns WHERE origin = 'discord:message:' || substr(name, length('prompt:') + 1))
        AND NOT EXISTS (
            SELECT 1 FROM inbox WHERE status = 'new' AND external = 'message:' || substr(name, length('prompt:') + 1)
        );
DELETE FROM face_facts
    WHERE name GLOB 'picked:*' AND NOT EXISTS (SELECT 1 FROM asks WHERE id = substr(name, length('picked:') + 1));
