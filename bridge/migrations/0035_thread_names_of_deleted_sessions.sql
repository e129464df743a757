-- The name that the bot gave a thread is made of its session's title, so it goes with the session's place.
CREATE TRIGGER thread_name_of_deleted_place AFTER DELETE ON places
WHEN NOT EXISTS (SELECT 1 FROM places WHERE channel_id = old.channel_id)
BEGIN
    DELETE FROM face_facts WHERE name = 'thread name:' || old.channel_id;
END;

-- Sessions that were deleted before.
DELETE FROM face_facts
    WHERE name GLOB 'thread name:*'
        AND NOT EXISTS (SELECT 1 FROM places WHERE 'thread name:' || channel_id = name);
