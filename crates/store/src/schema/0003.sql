UPDATE store_version SET version = 3;

-- What a person allowed for more than one time.
CREATE TABLE permissions (
    id TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- Restrictions that a person put in effect: a row is one that holds.
CREATE TABLE restrictions (
    name TEXT PRIMARY KEY NOT NULL
) STRICT;
-- The folder that a person chose for the session, as JSON; null for the one that all others have.
ALTER TABLE sessions ADD COLUMN workspace TEXT;
CREATE INDEX sessions_by_workspace ON sessions (workspace) WHERE workspace IS NOT NULL;
