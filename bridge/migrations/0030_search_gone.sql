-- Taking the texts of a large session out of the index takes seconds, in which nobody else could write. Its deletion
-- only notes the turns; their texts go soon after, in small steps. A number is used again only when its texts are gone.
CREATE TABLE search_gone (number INTEGER PRIMARY KEY) STRICT;

DROP TRIGGER search_gone;
CREATE TRIGGER search_turn_gone AFTER DELETE ON search_turns
BEGIN
    INSERT OR IGNORE INTO search_gone VALUES (old.number);
END;

DROP TRIGGER search_new_turn;
CREATE TRIGGER search_new_turn AFTER INSERT ON turns
BEGIN
    INSERT INTO search_turns (number, turn_id) VALUES (
        1 + max(
            0,
            coalesce((SELECT max(number) FROM search_turns), 0),
            coalesce((SELECT max(number) FROM search_gone), 0)
        ),
        new.id
    );
END;
