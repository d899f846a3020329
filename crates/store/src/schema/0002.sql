UPDATE store_version SET version = 2;

-- What a person decided about values of the configuration file.
CREATE TABLE settings (
    path TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL
) STRICT;
