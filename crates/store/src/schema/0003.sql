UPDATE store_version SET version = 3;

-- The folder that a person chose for the session, as JSON; null for the one that all others have.
ALTER TABLE sessions ADD COLUMN workspace TEXT;
CREATE INDEX sessions_by_workspace ON sessions (workspace) WHERE workspace IS NOT NULL;
