-- Requests to Claude that are no turns: a draft of a report, of a commit message. Row before the request, answer
-- after it; one that is `asked` at a start was cut. `usd` is the list price as far as the CLI told it.
CREATE TABLE ai_requests (
    id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('digest', 'summary', 'conflict', 'commit_message')),
    status TEXT NOT NULL CHECK (status IN ('asked', 'answered', 'failed')),
    model TEXT NOT NULL,
    question TEXT NOT NULL,
    answer TEXT NOT NULL DEFAULT '',
    trouble TEXT NOT NULL DEFAULT '',
    turn_id TEXT NOT NULL DEFAULT '',
    asked_ms INTEGER NOT NULL,
    ended_ms INTEGER
) STRICT;
CREATE INDEX ai_requests_of_session ON ai_requests (session_id, id DESC);
CREATE INDEX ai_requests_cut ON ai_requests (status) WHERE status = 'asked';

-- The number of files that a turn changed, those of Bash included, as its checkpoints say.
ALTER TABLE turns ADD COLUMN changed_files INTEGER NOT NULL DEFAULT 0;

-- HEAD of the user's repository when the checkpoint was taken: `<commit> <ref>`. A restore does not move HEAD, but
-- says if it is elsewhere now.
ALTER TABLE checkpoints ADD COLUMN head TEXT NOT NULL DEFAULT '';

-- Every prompt with its place: what people asked, apart from turns that Claude began by itself.
CREATE VIEW prompts AS
SELECT
    turns.id AS turn_id,
    turns.session_id,
    turns.number,
    turns.author_id,
    turns.prompt,
    turns.attachments,
    turns.status,
    turns.alternative_of,
    turns.queued_ms,
    contexts.kind AS context_kind,
    contexts.text AS context,
    (
        SELECT checkpoints.id FROM checkpoints
        WHERE checkpoints.owner = turns.session_id AND checkpoints.anchor = turns.id
            AND checkpoints.reason = 'before_prompt' AND checkpoints.status = 'taken'
        ORDER BY checkpoints.id DESC LIMIT 1
    ) AS checkpoint
FROM turns LEFT JOIN contexts ON contexts.turn_id = turns.id
WHERE turns.kind = 'prompt';

-- The state of each file that a session changed, at the last checkpoint that saw a change of it.
CREATE VIEW file_states AS
SELECT
    owner AS session_id,
    directory,
    path,
    CASE kind WHEN 'deleted' THEN 'deleted' ELSE 'present' END AS state,
    cause,
    checkpoint
FROM file_changes AS newest
WHERE NOT EXISTS (
    SELECT 1 FROM file_changes AS later
    WHERE later.owner = newest.owner AND later.directory = newest.directory AND later.path = newest.path
        AND later.checkpoint > newest.checkpoint
);
