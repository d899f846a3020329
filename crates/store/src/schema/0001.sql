-- Every migration sets store_version.version to its own number: a store whose header and table
-- disagree is damaged, not newer.
PRAGMA application_id = 1416193108;

CREATE TABLE store_version (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    version INTEGER NOT NULL,
    opened_at INTEGER NOT NULL
) STRICT;
INSERT INTO store_version (only, version, opened_at) VALUES (1, 1, 0);

CREATE TABLE flags (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Counts that are asked often, kept by triggers so that asking never walks a table.
CREATE TABLE counts (
    name TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counts (name, value) VALUES ('sessions', 0);

-- A session may outlive its parent, so `parent` is no foreign key.
CREATE TABLE sessions (
    key TEXT PRIMARY KEY NOT NULL,
    session_id TEXT NOT NULL,
    agent TEXT NOT NULL,
    parent TEXT,
    depth INTEGER NOT NULL,
    label TEXT,
    settings TEXT NOT NULL,
    last_state TEXT,
    last_run TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    model TEXT,
    usage_input INTEGER NOT NULL DEFAULT 0,
    usage_output INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_update ON sessions (updated_at);
CREATE INDEX sessions_by_parent ON sessions (parent, updated_at) WHERE parent IS NOT NULL;
CREATE INDEX sessions_by_label ON sessions (label, updated_at) WHERE label IS NOT NULL;
CREATE TRIGGER sessions_counted_in AFTER INSERT ON sessions BEGIN
    UPDATE counts SET value = value + 1 WHERE name = 'sessions';
END;
CREATE TRIGGER sessions_counted_out AFTER DELETE ON sessions BEGIN
    UPDATE counts SET value = value - 1 WHERE name = 'sessions';
END;

-- Transcripts outlive their session when it is reset, or deleted with its transcript kept.
CREATE TABLE transcripts (
    session_id TEXT PRIMARY KEY NOT NULL,
    session_key TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    archived_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX transcripts_by_session ON transcripts (session_key);

CREATE TABLE entries (
    number INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES transcripts (session_id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    run TEXT,
    body TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (session_id, seq)
) STRICT;

-- `number` is the order in which runs were accepted. `before_seq` is the length of the transcript
-- when the run started. A run has ended exactly when `ended_at` is set.
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session TEXT NOT NULL,
    session_id TEXT NOT NULL,
    parent TEXT,
    parent_session TEXT,
    root TEXT NOT NULL,
    depth INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN
        ('queued', 'running', 'ok', 'error', 'timed_out', 'cancelled', 'interrupted')),
    label TEXT,
    input TEXT,
    spec TEXT NOT NULL,
    error TEXT,
    result TEXT,
    model TEXT,
    usage_input INTEGER NOT NULL DEFAULT 0,
    usage_output INTEGER NOT NULL DEFAULT 0,
    boot TEXT NOT NULL,
    before_seq INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    CHECK ((state IN ('queued', 'running')) = (ended_at IS NULL)),
    CHECK ((parent IS NULL) = (parent_session IS NULL))
) STRICT;
CREATE INDEX runs_by_session ON runs (session);
CREATE INDEX runs_by_root ON runs (root) WHERE parent IS NOT NULL;
CREATE INDEX runs_by_parent_session ON runs (parent_session, ended_at) WHERE parent_session IS NOT NULL;
CREATE INDEX runs_unfinished ON runs (session) WHERE ended_at IS NULL;

CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL,
    source TEXT NOT NULL,
    source_session TEXT NOT NULL,
    label TEXT,
    outcome TEXT NOT NULL,
    text TEXT NOT NULL,
    consumed_in TEXT,
    consumed_at_seq INTEGER,
    at INTEGER NOT NULL,
    UNIQUE (session, source),
    CHECK ((consumed_in IS NULL) = (consumed_at_seq IS NULL))
) STRICT;
CREATE INDEX inbox_by_session ON inbox (session);
CREATE INDEX inbox_waiting ON inbox (session) WHERE consumed_at_seq IS NULL;

-- What a person decided about others. `body` is the record as JSON.
CREATE TABLE devices (
    id TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE program_grants (
    id TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE program_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE shared_token (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    body TEXT NOT NULL
) STRICT;
CREATE TABLE blocks (
    subject TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- Append-only: no row changes, and only rows older than the newest 20,000 leave.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_keeps_the_newest BEFORE DELETE ON audit
WHEN old.number > (SELECT MAX(number) FROM audit) - 20000 BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
