-- The index of the search over prompts, answers and tools. It is filled in the background (sessions/rows/search.py):
-- an event only marks its turn, since making the index of a text takes longer than storing it.

-- One row for each turn; newer turns have larger numbers. `is_due`: the turn has texts that the index lacks, which are
-- those with ordinals above `through`. The prompt counts as ordinal -1.
CREATE TABLE search_turns (
    number INTEGER PRIMARY KEY,
    turn_id TEXT NOT NULL UNIQUE REFERENCES turns (id) ON DELETE CASCADE,
    through INTEGER NOT NULL DEFAULT -2,
    is_due INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX search_turns_due ON search_turns (number) WHERE is_due;

-- `rowid` is number * 2^20 + ordinal + 1. Trigrams find every part of a word, also in languages without spaces.
CREATE VIRTUAL TABLE search_texts USING fts5 (text, tokenize = 'trigram');

-- Turns from before this table get negative numbers.
INSERT INTO search_turns (number, turn_id)
    SELECT -row_number() OVER (ORDER BY queued_ms DESC, rowid DESC), id FROM turns;

CREATE TRIGGER search_new_turn AFTER INSERT ON turns
BEGIN
    INSERT INTO search_turns (number, turn_id)
        VALUES (max(0, coalesce((SELECT max(number) FROM search_turns), 0)) + 1, new.id);
END;
CREATE TRIGGER search_edited_prompt AFTER UPDATE OF prompt ON turns
BEGIN
    UPDATE search_texts SET text = new.prompt
        WHERE rowid = (SELECT number << 20 FROM search_turns WHERE turn_id = new.id);
END;
CREATE TRIGGER search_new_block AFTER INSERT ON blocks WHEN new.kind IN ('text', 'tool_call')
BEGIN
    UPDATE search_turns SET is_due = 1 WHERE turn_id = new.turn_id AND NOT is_due;
END;
CREATE TRIGGER search_gone AFTER DELETE ON search_turns
BEGIN
    DELETE FROM search_texts WHERE rowid BETWEEN old.number << 20 AND (old.number << 20) + 1048575;
END;
