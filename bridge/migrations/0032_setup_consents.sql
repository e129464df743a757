-- Commands that install dependencies, and to which a person agreed. `digest` covers the commands and the files that
-- say what they run: with another content somebody is asked again.
CREATE TABLE setup_consents (
    project TEXT NOT NULL,
    digest TEXT NOT NULL,
    commands TEXT NOT NULL,
    by_user TEXT NOT NULL,
    agreed_ms INTEGER NOT NULL,
    PRIMARY KEY (project, digest)
) STRICT, WITHOUT ROWID;
