-- The memory of the Discord face: messages and clicks that came in, posts, places of sessions, meanings of buttons.
-- Discord's ids are stored as integers.

-- Each message or interaction is a row before it is acted on. `external` is `message:<id>`, `edit:<id>:<time>`,
-- `interaction:<id>`; status is new, done or refused.
CREATE TABLE inbox (
    external TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    channel_id INTEGER NOT NULL,
    author_id INTEGER NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    received_ms INTEGER NOT NULL,
    done_ms INTEGER
) STRICT;
CREATE INDEX inbox_to_do ON inbox (received_ms) WHERE status = 'new';

-- The newest message that was taken in, per channel or thread: where reading back begins after a gap.
CREATE TABLE seen (
    channel_id INTEGER PRIMARY KEY,
    guild_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL
) STRICT;

-- The place where a session is shown. `kind` thread: every message of an allowed user there is a prompt.
CREATE TABLE places (
    session_id TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    guild_id INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    owner_id INTEGER NOT NULL,
    shown_event INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX places_by_channel ON places (channel_id);

-- Our messages in Discord. `subject` names the content (`turn:<id>`, `ask:<id>`, `status`, `notice:<number>`),
-- `ordinal` counts its posts; `message_id` is NULL until Discord has confirmed the message; `shown` is the hash of
-- the message's content.
CREATE TABLE posts (
    id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    channel_id INTEGER NOT NULL,
    subject TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    nonce TEXT NOT NULL,
    message_id INTEGER,
    shown TEXT NOT NULL DEFAULT '',
    created_ms INTEGER NOT NULL,
    UNIQUE (session_id, subject, ordinal)
) STRICT;
CREATE INDEX posts_by_message ON posts (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX posts_unconfirmed ON posts (channel_id) WHERE message_id IS NULL;

-- The meanings of controls: a custom_id carries only the key. Rows stay as long as the session, so that buttons
-- on old messages work after any restart.
CREATE TABLE controls (
    key TEXT PRIMARY KEY,
    verb TEXT NOT NULL,
    session_id TEXT NOT NULL,
    subject TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX controls_by_session ON controls (session_id);

-- Small facts of the face: hash of the synced commands, times of IDENTIFYs.
CREATE TABLE face_facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
