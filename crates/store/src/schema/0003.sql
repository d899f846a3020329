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
