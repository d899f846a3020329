//! The schema and how older stores reach it.
//!
//! A released migration never changes; each new one also sets `store_version.version`.

use rusqlite_migration::{M, Migrations};

/// Marks the file as Tidegate's store ("TidT" in ASCII).
pub(crate) const APPLICATION_ID: i64 = 0x5469_6454;

const STEPS: &[M<'static>] = &[
    M::up(include_str!("schema/0001.sql")),
    M::up(include_str!("schema/0002.sql")),
    M::up(include_str!("schema/0003.sql")),
];

/// Every migration, oldest first.
pub(crate) const MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// The schema version that this program writes.
pub(crate) fn known_version() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use tidegate_protocol::SessionKey;

    use super::*;
    use crate::{FILE_NAME, OpenOptions, Store};

    #[test]
    fn each_migration_applies_and_names_its_own_version() {
        MIGRATIONS.validate().expect("migrations apply");
        for version in 1..=STEPS.len() {
            let mut connection = rusqlite::Connection::open_in_memory().expect("memory");
            MIGRATIONS.to_version(&mut connection, version).expect("migrates");
            let named: u32 = connection
                .query_row("SELECT version FROM store_version", [], |row| row.get(0))
                .expect("version row");
            let id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).expect("id");
            assert_eq!((Ok(named), id), (u32::try_from(version), APPLICATION_ID));
        }
    }

    #[tokio::test]
    async fn sessions_of_version_2_have_no_folder_of_their_own() {
        let directory = tempfile::tempdir().expect("directory");
        let mut old = rusqlite::Connection::open(directory.path().join(FILE_NAME)).expect("file");
        MIGRATIONS.to_version(&mut old, 2).expect("an old store");
        old.execute_batch(
            "INSERT INTO sessions (key, session_id, agent, depth, label, settings, created_at, updated_at)
                VALUES ('agent:main:main', 'a', 'main', 0, 'Notes', '{\"model\":\"x\"}', 5, 6);
             INSERT INTO transcripts (session_id, session_key, created_at) VALUES ('a', 'agent:main:main', 5);",
        )
        .expect("a session");
        old.close().expect("closed");

        let (store, report) = Store::open(directory.path(), OpenOptions::default()).expect("opened");

        assert_eq!((report.version_before, report.version), (2, known_version()));
        let key = SessionKey::parse("main").expect("a key");
        let row = store.session(key).await.expect("read").expect("kept");
        assert_eq!((row.label.as_deref(), row.workspace), (Some("Notes"), None));
    }
}
