-- Branches with files of their own. The row is there before the directory: one that is `making` or `removing` at a
-- start was cut, and is cleared or removed then. `session_id` has no reference, because the session comes later.
CREATE TABLE branches (
    session_id TEXT PRIMARY KEY,
    parent_id TEXT NOT NULL,
    name TEXT NOT NULL,
    directory TEXT NOT NULL,
    parent_directory TEXT NOT NULL,
    git_branch TEXT NOT NULL DEFAULT '',
    target TEXT NOT NULL DEFAULT '',
    checkpoint TEXT NOT NULL,
    last_merged TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL CHECK (status IN ('making', 'made', 'removing', 'removed')),
    made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX branches_by_parent ON branches (parent_id);
CREATE INDEX branches_to_finish ON branches (status) WHERE status IN ('making', 'removing');

-- Merges of branches. One that is `landing` or `undoing` at a start was cut: the ref says whether it is finished.
CREATE TABLE merges (
    id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    target TEXT NOT NULL,
    strategy TEXT NOT NULL,
    old_commit TEXT NOT NULL,
    new_commit TEXT NOT NULL,
    source_commit TEXT NOT NULL,
    merged_before TEXT NOT NULL DEFAULT '',
    by_user TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('landing', 'landed', 'undoing', 'undone', 'failed')),
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER
) STRICT;
CREATE INDEX merges_of_branch ON merges (session_id, id DESC);
CREATE INDEX merges_to_finish ON merges (status) WHERE status IN ('landing', 'undoing');
