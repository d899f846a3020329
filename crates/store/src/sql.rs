//! Every statement that runs after the store is open, by name, so that a test can look at the plan
//! of each.

macro_rules! statements {
    ($($(#[$meta:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$meta])* pub(crate) const $name: &str = $text;)*

        /// All of them, with their names.
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

/// In the order in which [`crate::rows::session`] reads them.
macro_rules! session_columns {
    () => {
        "key, session_id, agent, parent, depth, label, settings, last_state, last_run, created_at, \
         updated_at, started_at, ended_at, model, usage_input, usage_output, workspace"
    };
}

/// In the order in which [`crate::rows::run`] reads them.
macro_rules! run_columns {
    () => {
        "id, session, session_id, parent, root, depth, state, label, input, spec, error, result, \
         model, usage_input, usage_output, boot, created_at, started_at, ended_at"
    };
}

/// In the order in which [`crate::rows::entry`] reads them.
macro_rules! entry_columns {
    () => {
        "seq, id, run, body, at"
    };
}

/// In the order in which [`crate::rows::inbox`] reads them.
macro_rules! inbox_columns {
    () => {
        "id, session, source, source_session, label, outcome, text, consumed_at_seq, at"
    };
}

/// A session list: `$index` is the condition that an index answers, the rest filters what it finds.
macro_rules! session_list {
    ($index:literal) => {
        concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions WHERE ",
            $index,
            " AND updated_at >= ?1 AND (?2 IS NULL OR agent = ?2) AND (?3 IS NULL OR parent = ?3) \
             AND (?4 IS NULL OR label = ?4) AND (?5 IS NULL OR instr(lower(key), ?5) > 0 \
             OR instr(lower(label), ?5) > 0 OR instr(lower(session_id), ?5) > 0) \
             AND (?6 IS NULL OR ?6 = CASE WHEN json_valid(settings) \
             THEN COALESCE(settings ->> '$.archived', 0) ELSE 0 END) \
             AND (NOT ?7 OR last_run IS NOT NULL) \
             ORDER BY updated_at DESC LIMIT ?8 OFFSET ?9"
        )
    };
}

statements! {
    BEGIN = "BEGIN IMMEDIATE";
    COMMIT = "COMMIT";
    ROLLBACK = "ROLLBACK";
    SAVEPOINT = "SAVEPOINT job";
    SAVEPOINT_KEEP = "RELEASE job";
    SAVEPOINT_UNDO = "ROLLBACK TO job";

    FLAG = "SELECT value FROM flags WHERE name = ?1";
    FLAG_SET = "INSERT INTO flags (name, value) VALUES (?1, ?2) \
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    FLAG_CLEAR = "DELETE FROM flags WHERE name = ?1";

    SESSION = concat!("SELECT ", session_columns!(), " FROM sessions WHERE key = ?1");
    SESSION_BY_ID = concat!(
        "SELECT ", session_columns!(), " FROM sessions WHERE session_id = ?1 \
         AND key = (SELECT session_key FROM transcripts WHERE session_id = ?1)"
    );
    SESSION_COUNT = "SELECT value FROM counts WHERE name = 'sessions'";
    SESSION_INSERT = "INSERT INTO sessions \
        (key, session_id, agent, parent, depth, label, settings, created_at, updated_at, workspace) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, '{}', ?7, ?7, ?8) ON CONFLICT (key) DO NOTHING";
    SESSION_PATCH = concat!(
        "UPDATE sessions SET label = ?2, settings = ?3, updated_at = ?4 WHERE key = ?1 RETURNING ",
        session_columns!()
    );
    SESSION_WORKSPACE = concat!(
        "UPDATE sessions SET workspace = ?2, updated_at = ?3 WHERE key = ?1 RETURNING ",
        session_columns!()
    );
    /// The sessions below one that work where it works.
    CHILDREN_WORKSPACE = "WITH RECURSIVE below(key) AS (\
            SELECT key FROM sessions WHERE parent = ?1 \
            UNION SELECT sessions.key FROM sessions JOIN below ON sessions.parent = below.key\
        ) \
        UPDATE sessions SET workspace = ?2 WHERE key IN (SELECT key FROM below) \
        AND workspace IS (SELECT workspace FROM sessions WHERE key = ?1)";
    SESSION_WORKSPACES = "SELECT DISTINCT workspace FROM sessions WHERE workspace IS NOT NULL";
    SESSION_RESET = concat!(
        "UPDATE sessions SET session_id = ?2, updated_at = ?3 WHERE key = ?1 RETURNING ",
        session_columns!()
    );
    SESSION_DELETE = "DELETE FROM sessions WHERE key = ?1";
    SESSION_TOUCH = "UPDATE sessions SET updated_at = ?2 WHERE key = ?1";
    SESSION_QUEUED = "UPDATE sessions SET last_run = ?2, last_state = 'queued', started_at = NULL, \
        ended_at = NULL, updated_at = ?3 WHERE key = ?1";
    SESSION_STARTED = "UPDATE sessions SET updated_at = ?3, \
        last_state = CASE WHEN last_run = ?2 THEN 'running' ELSE last_state END, \
        started_at = CASE WHEN last_run = ?2 THEN ?3 ELSE started_at END WHERE key = ?1";
    SESSION_SETTLED = "UPDATE sessions SET updated_at = ?3, \
        last_state = CASE WHEN last_run = ?2 THEN ?4 ELSE last_state END, \
        ended_at = CASE WHEN last_run = ?2 THEN ?3 ELSE ended_at END, \
        model = COALESCE(?5, model), \
        usage_input = CASE WHEN usage_input > 9223372036854775807 - ?6 \
            THEN 9223372036854775807 ELSE usage_input + ?6 END, \
        usage_output = CASE WHEN usage_output > 9223372036854775807 - ?7 \
            THEN 9223372036854775807 ELSE usage_output + ?7 END WHERE key = ?1";
    SESSIONS_NEWEST = session_list!("TRUE");
    SESSIONS_OF_PARENT = session_list!("parent = ?3");
    SESSIONS_WITH_LABEL = session_list!("label = ?4");

    TRANSCRIPT_INSERT = "INSERT INTO transcripts (session_id, session_key, created_at) VALUES (?1, ?2, ?3)";
    TRANSCRIPT_ARCHIVE = "UPDATE transcripts SET archived_at = ?2 WHERE session_id = ?1";
    TRANSCRIPTS_DELETE = "DELETE FROM transcripts WHERE session_key = ?1";

    ENTRIES_BEFORE = concat!(
        "SELECT ", entry_columns!(),
        " FROM entries WHERE session_id = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3"
    );
    ENTRY = concat!("SELECT ", entry_columns!(), " FROM entries WHERE session_id = ?1 AND id = ?2");
    ENTRY_OF_INPUT = "SELECT id FROM entries WHERE session_id = ?1 AND seq > ?2 AND run = ?3 \
        AND CASE WHEN json_valid(body) THEN body ->> '$.role' = 'user' END ORDER BY seq LIMIT 1";
    ENTRIES_OF_RUN = concat!(
        "SELECT ", entry_columns!(),
        " FROM entries WHERE session_id = ?1 AND seq > ?2 AND run = ?3 ORDER BY seq"
    );
    ENTRY_LAST_SEQ = "SELECT COALESCE(MAX(seq), 0) FROM entries WHERE session_id = ?1";
    ENTRY_INSERT = "INSERT INTO entries (session_id, seq, id, run, body, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

    RUN = concat!("SELECT ", run_columns!(), " FROM runs WHERE id = ?1");
    RUN_PLACE = "SELECT session, session_id, state FROM runs WHERE id = ?1";
    RUN_TREE_PLACE = "SELECT root, state FROM runs WHERE id = ?1";
    RUN_BEFORE_SEQ = "SELECT COALESCE(before_seq, 0) FROM runs WHERE id = ?1";
    RUN_INSERT = concat!(
        "INSERT INTO runs (id, session, session_id, parent, parent_session, root, depth, state, label, \
         input, spec, boot, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'queued', ?8, ?9, ?10, ?11, ?12) RETURNING ",
        run_columns!()
    );
    RUN_START = concat!(
        "UPDATE runs SET state = 'running', session_id = ?2, before_seq = ?3, started_at = ?4 \
         WHERE id = ?1 AND state = 'queued' RETURNING ",
        run_columns!()
    );
    RUN_SETTLE = concat!(
        "UPDATE runs SET state = ?2, error = ?3, result = ?4, model = ?5, usage_input = ?6, \
         usage_output = ?7, ended_at = ?8 WHERE id = ?1 AND ended_at IS NULL RETURNING ",
        run_columns!()
    );
    RUN_MOVE = "UPDATE runs SET session_id = ?2, before_seq = ?3 WHERE id = ?1";
    RUN_PARENT_SESSION = "SELECT parent_session FROM runs WHERE id = ?1";
    RUNS_ACTIVE_CHILDREN = "SELECT COUNT(*) FROM runs WHERE parent_session = ?1 AND ended_at IS NULL";
    RUNS_IN_TREE = "SELECT COUNT(*) FROM runs WHERE root = ?1 AND parent IS NOT NULL";
    RUNS_OF_TREE = concat!(
        "SELECT ", run_columns!(), " FROM runs WHERE root = ?1 AND parent IS NOT NULL ORDER BY number"
    );
    RUNS_CHILDREN = concat!(
        "SELECT ", run_columns!(), " FROM runs WHERE parent_session = ?1 ORDER BY number DESC"
    );
    RUNS_CHILDREN_SINCE = concat!(
        "SELECT ", run_columns!(), " FROM runs WHERE number IN (\
         SELECT number FROM runs WHERE parent_session = ?1 AND ended_at IS NULL \
         UNION ALL SELECT number FROM runs WHERE parent_session = ?1 AND ended_at >= ?2) \
         ORDER BY number DESC"
    );
    RUNS_UNFINISHED = concat!(
        "SELECT ", run_columns!(), " FROM runs INDEXED BY runs_unfinished WHERE ended_at IS NULL ORDER BY number"
    );
    RUNS_UNFINISHED_IN_SESSION = "SELECT COUNT(*) FROM runs WHERE session = ?1 AND ended_at IS NULL";
    RUNS_OLDEST = "SELECT number, id, created_at, ended_at IS NOT NULL AND ended_at < ?2 \
        AND NOT EXISTS (SELECT 1 FROM runs AS top WHERE top.id = runs.root AND top.ended_at IS NULL) \
        AND NOT EXISTS (SELECT 1 FROM runs AS other WHERE other.root = runs.root \
        AND other.parent IS NOT NULL AND other.ended_at IS NULL) \
        AND NOT EXISTS (SELECT 1 FROM sessions WHERE key = runs.session AND last_run = runs.id) \
        AND NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.session = runs.parent_session \
        AND inbox.source = runs.id AND inbox.consumed_at_seq IS NULL) \
        FROM runs WHERE number > ?1 ORDER BY number LIMIT ?3";
    RUN_FORGET = "DELETE FROM runs WHERE id = ?1 AND ended_at IS NOT NULL";
    RUNS_BLANK = "UPDATE runs SET label = NULL, input = NULL, spec = 'null', error = NULL, \
        result = NULL WHERE session = ?1";

    INBOX = concat!("SELECT ", inbox_columns!(), " FROM inbox WHERE session = ?1 ORDER BY id");
    INBOX_WAITING = concat!(
        "SELECT ", inbox_columns!(),
        " FROM inbox WHERE session = ?1 AND consumed_at_seq IS NULL ORDER BY id"
    );
    INBOX_WAITING_SESSIONS = "SELECT DISTINCT session FROM inbox WHERE consumed_at_seq IS NULL";
    INBOX_INSERT = concat!(
        "INSERT INTO inbox (session, source, source_session, label, outcome, text, at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING ",
        inbox_columns!()
    );
    INBOX_CONSUME = "UPDATE inbox SET consumed_in = ?2, consumed_at_seq = ?3 \
        WHERE id = ?1 AND consumed_at_seq IS NULL";
    INBOX_FORGET = "DELETE FROM inbox WHERE session = ?1 AND source = ?2 AND consumed_at_seq IS NOT NULL";
    INBOX_DELETE = "DELETE FROM inbox WHERE session = ?1";

    DEVICES = "SELECT id, body FROM devices ORDER BY id";
    DEVICE_PUT = "INSERT INTO devices (id, body) VALUES (?1, ?2) \
        ON CONFLICT (id) DO UPDATE SET body = excluded.body";
    DEVICE_REMOVE = "DELETE FROM devices WHERE id = ?1";
    PROGRAM_GRANTS = "SELECT id, body FROM program_grants ORDER BY id";
    PROGRAM_GRANT_PUT = "INSERT INTO program_grants (id, body) VALUES (?1, ?2) \
        ON CONFLICT (id) DO UPDATE SET body = excluded.body";
    PROGRAM_GRANT_REMOVE = "DELETE FROM program_grants WHERE id = ?1";
    PROGRAM_TOKENS = "SELECT id, body FROM program_tokens ORDER BY id";
    PROGRAM_TOKEN_PUT = "INSERT INTO program_tokens (id, body) VALUES (?1, ?2) \
        ON CONFLICT (id) DO UPDATE SET body = excluded.body";
    PROGRAM_TOKEN_REMOVE = "DELETE FROM program_tokens WHERE id = ?1";
    SHARED_TOKEN = "SELECT 'shared', body FROM shared_token WHERE only = 1";
    SHARED_TOKEN_PUT = "INSERT INTO shared_token (only, body) VALUES (1, ?1) \
        ON CONFLICT (only) DO UPDATE SET body = excluded.body";
    BLOCKS = "SELECT subject, body FROM blocks ORDER BY subject";
    BLOCK_PUT = "INSERT INTO blocks (subject, body) VALUES (?1, ?2) \
        ON CONFLICT (subject) DO UPDATE SET body = excluded.body";
    BLOCK_REMOVE = "DELETE FROM blocks WHERE subject = ?1";
    SETTINGS = "SELECT path, body FROM settings ORDER BY path";
    SETTING_PUT = "INSERT INTO settings (path, body) VALUES (?1, ?2) \
        ON CONFLICT (path) DO UPDATE SET body = excluded.body";

    PERMISSIONS = "SELECT id, body FROM permissions ORDER BY id";
    PERMISSION_PUT = "INSERT INTO permissions (id, body) VALUES (?1, ?2) \
        ON CONFLICT (id) DO UPDATE SET body = excluded.body";
    PERMISSION_REMOVE = "DELETE FROM permissions WHERE id = ?1";
    RESTRICTION_HOLDS = "SELECT count(*) FROM restrictions WHERE name = ?1";
    RESTRICTION_PUT = "INSERT OR IGNORE INTO restrictions (name) VALUES (?1)";
    RESTRICTION_REMOVE = "DELETE FROM restrictions WHERE name = ?1";

    AUDIT_ADD = "INSERT INTO audit (at, kind, subject, body) VALUES (?1, ?2, ?3, ?4) RETURNING number";
    AUDIT_TRIM = "DELETE FROM audit WHERE number <= ?1";
    AUDIT_TAIL = "SELECT number, at, kind, body FROM audit ORDER BY number DESC LIMIT ?1";
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use crate::migrations::MIGRATIONS;

    /// Scans that cost no more than the answer, or than the work at hand. Everything else must
    /// search.
    const ALLOWED: &[(&str, &str, &str)] = &[
        ("RUNS_UNFINISHED", "SCAN runs USING INDEX runs_unfinished", "the index holds unfinished runs only"),
        (
            "INBOX_WAITING_SESSIONS",
            "SCAN inbox USING INDEX inbox_waiting",
            "the index holds waiting rows only",
        ),
        ("DEVICES", "SCAN devices", "loaded whole, once at start"),
        ("PROGRAM_GRANTS", "SCAN program_grants", "loaded whole, once at start"),
        ("PROGRAM_TOKENS", "SCAN program_tokens", "loaded whole, once at start"),
        ("BLOCKS", "SCAN blocks", "loaded whole, once at start"),
        ("SETTINGS", "SCAN settings", "loaded whole, once at start"),
        ("PERMISSIONS", "SCAN permissions", "loaded whole, once at start"),
        ("AUDIT_TAIL", "SCAN audit", "newest first, stops at its limit"),
        ("CHILDREN_WORKSPACE", "SCAN below", "only the sessions below one, found by an index"),
    ];

    #[test]
    fn no_statement_walks_a_table_that_grows_with_history() {
        let mut connection = rusqlite::Connection::open_in_memory().expect("memory");
        MIGRATIONS.to_latest(&mut connection).expect("schema");
        let mut offences = Vec::new();
        let mut needed = Vec::new();
        for (name, statement) in ALL {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).expect(name);
            for index in 1..=plan.parameter_count() {
                plan.raw_bind_parameter(index, 1).expect("bound");
            }
            let mut rows = plan.raw_query();
            while let Some(row) = rows.next().expect("plan") {
                let step: String = row.get(3).expect("detail");
                let sorts = step.contains("TEMP B-TREE") && !name.starts_with("RUNS_");
                if !step.starts_with("SCAN") && !sorts {
                    continue;
                }
                match ALLOWED.iter().find(|(allowed, scan, _)| allowed == name && step.starts_with(scan)) {
                    Some((name, ..)) => needed.push(*name),
                    None => offences.push(format!("{name}: {step}")),
                }
            }
        }
        assert_eq!(offences, Vec::<String>::new());
        let listed: Vec<&str> = ALLOWED.iter().map(|(name, ..)| *name).collect();
        assert!(listed.iter().all(|name| needed.contains(name)), "allowed {listed:?}, needed {needed:?}");
    }
}
