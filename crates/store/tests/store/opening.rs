use std::fs;
use std::path::Path;
use std::process::Command;

use tidegate_store::{FILE_NAME, NewRun, OpenError, OpenOptions, Outcome, Store, StoreError, StoreState};

use crate::common::*;

#[tokio::test]
async fn a_store_is_fresh_once_and_then_found_again() {
    let directory = tempfile::tempdir().expect("directory");
    let place = directory.path().join("deep/state");
    let (store, report) = Store::open(&place, options()).expect("opened");
    assert_eq!((report.state, report.version_before), (StoreState::Fresh, 0));
    created(&store, new_run("r1", MAIN)).await;
    store.close().await;
    let (store, report) = Store::open(&place, options()).expect("opened again");
    assert_eq!(report.state, StoreState::Existing);
    assert_eq!(report.version_before, report.version);
    assert!(store.run(run_id("r1")).await.expect("read").is_some());
}

#[tokio::test]
async fn closing_leaves_one_file_without_a_log() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, _) = Store::open(directory.path(), options()).expect("opened");
    created(&store, new_run("r1", MAIN)).await;
    store.close().await;
    let names: Vec<_> = fs::read_dir(directory.path())
        .expect("list")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert_eq!(names, [FILE_NAME]);
}

#[tokio::test]
async fn reading_writes_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, _) = Store::open(directory.path(), options()).expect("opened");
    created(&store, new_run("r1", MAIN)).await;
    let state = || -> Vec<_> {
        ["", "-wal"]
            .iter()
            .map(|suffix| fs::metadata(directory.path().join(format!("{FILE_NAME}{suffix}"))).expect("file"))
            .map(|metadata| (metadata.len(), metadata.modified().expect("time")))
            .collect()
    };
    let before = state();
    for _ in 0..50 {
        store.session(key(MAIN)).await.expect("read");
        store.count_sessions().await.expect("read");
        store.start_run(run_id("nobody"), at(1)).await.expect("nothing to start");
    }
    assert_eq!(state(), before);
}

#[tokio::test]
async fn the_write_ahead_log_stays_bounded() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, _) = Store::open(directory.path(), options()).expect("opened");
    created(&store, new_run("r1", MAIN)).await;
    started(&store, "r1").await;
    let text = "x".repeat(200_000);
    for _ in 0..100 {
        store.append(run_id("r1"), vec![user(&text)], at(210)).await.expect("appended");
    }
    let log = fs::metadata(directory.path().join(format!("{FILE_NAME}-wal"))).expect("log").len();
    assert!(log < 8 * 1024 * 1024, "the log holds {log} bytes after 20 MB were written");
}

#[cfg(unix)]
mod private {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("metadata").permissions().mode() & 0o777
    }

    /// Runs in a process of its own: the umask belongs to the process.
    #[tokio::test]
    async fn open_for_the_umask_test() {
        let Some(directory) = std::env::var_os("TIDEGATE_STORE_UMASK_TEST") else { return };
        let directory = Path::new(&directory);
        let (store, _) = Store::open(directory, options()).expect("opened");
        created(&store, new_run("r1", MAIN)).await;
        assert_eq!(mode(directory), 0o700);
        for suffix in ["", "-wal", "-shm"] {
            assert_eq!(mode(&directory.join(format!("{FILE_NAME}{suffix}"))), 0o600, "{suffix}");
        }
    }

    #[test]
    fn everything_is_private_even_without_a_umask() {
        let directory = tempfile::tempdir().expect("directory");
        let program = std::env::current_exe().expect("program");
        let output = Command::new("sh")
            .args(["-c", "umask 000 && exec \"$0\" --exact opening::private::open_for_the_umask_test"])
            .arg(program)
            .env("TIDEGATE_STORE_UMASK_TEST", directory.path().join("a/b"))
            .output()
            .expect("ran");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(mode(&directory.path().join("a")), 0o700);
        assert!(directory.path().join("a/b").join(FILE_NAME).exists());
    }

    #[tokio::test]
    async fn what_was_open_to_others_is_closed_to_them() {
        let directory = tempfile::tempdir().expect("directory");
        Store::open(directory.path(), options()).expect("opened").0.close().await;
        let file = directory.path().join(FILE_NAME);
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("set");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("set");
        let (_store, _) = Store::open(directory.path(), options()).expect("opened");
        assert_eq!((mode(directory.path()), mode(&file)), (0o700, 0o600));
    }

    #[test]
    fn a_link_in_place_of_a_store_file_is_refused() {
        for suffix in ["", "-wal", "-shm"] {
            let directory = tempfile::tempdir().expect("directory");
            let target = directory.path().join("victim");
            fs::write(&target, "precious").expect("written");
            symlink(&target, directory.path().join(format!("{FILE_NAME}{suffix}"))).expect("linked");
            let refused = Store::open(directory.path(), options());
            assert!(matches!(refused, Err(OpenError::NotPrivate { .. })), "{suffix}: {refused:?}");
            assert_eq!(fs::read_to_string(&target).expect("read"), "precious");
        }
    }

    #[tokio::test]
    async fn a_linked_directory_is_followed() {
        let directory = tempfile::tempdir().expect("directory");
        fs::create_dir(directory.path().join("real")).expect("made");
        symlink("real", directory.path().join("link")).expect("linked");
        let (store, _) = Store::open(&directory.path().join("link"), options()).expect("opened");
        store.close().await;
        assert!(directory.path().join("real").join(FILE_NAME).exists());
    }
}

#[test]
fn a_place_that_cannot_be_a_directory_is_not_writable() {
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("file");
    fs::write(&file, "").expect("written");
    let refused = Store::open(&file.join("state"), options());
    assert!(matches!(&refused, Err(OpenError::NotWritable { .. })), "{refused:?}");
}

#[test]
fn a_directory_in_place_of_the_store_file_is_refused() {
    let directory = tempfile::tempdir().expect("directory");
    fs::create_dir(directory.path().join(FILE_NAME)).expect("made");
    let refused = Store::open(directory.path(), options());
    assert!(matches!(&refused, Err(OpenError::NotPrivate { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_newer_store_is_refused_with_a_sentence_and_left_alone() {
    let directory = tempfile::tempdir().expect("directory");
    let (store, report) = Store::open(directory.path(), options()).expect("opened");
    store.close().await;
    let file = rusqlite::Connection::open(&report.file).expect("file");
    file.execute_batch("PRAGMA user_version = 999; UPDATE store_version SET version = 999;")
        .expect("changed");
    file.close().expect("closed");
    let before = fs::read(&report.file).expect("read");
    let refused = Store::open(directory.path(), options());
    let Err(error @ OpenError::NewerStore { found: 999, known }) = refused else { panic!("{refused:?}") };
    assert_eq!(known, report.version);
    assert!(error.to_string().contains("newer Tidegate"));
    assert_eq!(fs::read(&report.file).expect("read"), before);
}

#[tokio::test]
async fn a_full_store_acknowledges_nothing_and_works_again_with_space() {
    let directory = tempfile::tempdir().expect("directory");
    let small = OpenOptions { max_bytes: 400 * 1024, ..options() };
    let (store, _) = Store::open(directory.path(), small).expect("opened");
    let run = created(&store, new_run("r1", MAIN)).await;
    started(&store, "r1").await;
    created(&store, new_run("old", "agent:main:old")).await;
    started(&store, "old").await;
    store.append(run_id("old"), vec![user(&"o".repeat(100_000))], at(205)).await.expect("room for it");
    store.settle_run(settlement("old", Outcome::Ok)).await.expect("settled");
    let text = "x".repeat(20_000);
    let mut acknowledged = 1;
    let refused = loop {
        match store.append(run_id("r1"), vec![user(&text)], at(210)).await {
            Ok(entries) => acknowledged += entries.len(),
            Err(error) => break error,
        }
        assert!(acknowledged < 1_000, "the limit is never reached");
    };
    assert_eq!(refused, StoreError::DiskFull);
    assert_eq!(store.append(run_id("r1"), vec![user(&text)], at(211)).await, Err(StoreError::DiskFull));
    let kept = store.transcript(run.session_id.clone(), None, 1_000).await.expect("read");
    assert_eq!(kept.len(), acknowledged);

    delete(&store, key("agent:main:old"), false).await.expect("space returns");

    let more = store.append(run_id("r1"), vec![user(&text)], at(212)).await.expect("works again");
    assert_eq!(more[0].seq, acknowledged as u64 + 1);
}

#[tokio::test]
async fn new_messages_stop_while_answers_can_still_be_saved() {
    let directory = tempfile::tempdir().expect("directory");
    let small = OpenOptions { max_bytes: 1024 * 1024, ..options() };
    let (store, _) = Store::open(directory.path(), small).expect("opened");
    created(&store, new_run("works", MAIN)).await;
    started(&store, "works").await;
    let large = |number: usize| NewRun {
        input: Some(user(&"x".repeat(40_000))),
        ..new_run(&format!("r{number}"), &format!("agent:main:{number}"))
    };
    let mut accepted = 0;
    let refused = loop {
        match store.begin_run(large(accepted)).await {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 100, "the limit is never reached");
    };
    assert_eq!(refused, StoreError::NoRoomForMessages);
    assert!(refused.to_string().contains("`tidegate sessions delete`"));

    store.append(run_id("works"), vec![user(&"y".repeat(20_000))], at(210)).await.expect("an answer");
    store.settle_run(settlement("works", Outcome::Ok)).await.expect("its end");
    store.set_flag("agent.paused", Some("true".to_owned())).await.expect("a decision");
    for number in 0..2 {
        store.settle_run(settlement(&format!("r{number}"), Outcome::Cancelled)).await.expect("settled");
        delete(&store, key(&format!("agent:main:{number}")), false).await.expect("space returns");
    }
    created(&store, large(accepted)).await;
}

/// Only root mounts file systems.
#[cfg(target_os = "linux")]
mod as_root {
    use super::*;

    /// A small file system of its own.
    struct SmallDisk(tempfile::TempDir);

    impl SmallDisk {
        fn mount(options: &str) -> Self {
            let directory = tempfile::tempdir().expect("directory");
            let mounted = Command::new("mount")
                .args(["-t", "tmpfs", "-o", options, "tmpfs"])
                .arg(directory.path())
                .output();
            assert!(mounted.expect("mount").status.success());
            Self(directory)
        }

        fn remount(&self, options: &str) {
            let output =
                Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.0.path()).output();
            assert!(output.expect("mount").status.success());
        }
    }

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
        }
    }

    #[tokio::test]
    #[ignore = "needs root"]
    async fn a_full_disk_acknowledges_nothing_and_the_store_works_again_with_space() {
        let disk = SmallDisk::mount("size=2m");
        let (store, _) = Store::open(disk.0.path(), options()).expect("opened");
        let run = created(&store, new_run("r1", MAIN)).await;
        started(&store, "r1").await;
        let ballast = disk.0.path().join("ballast");
        fs::write(&ballast, vec![0_u8; 1_000_000]).expect("written");
        let text = "x".repeat(50_000);
        let mut acknowledged = 1;
        let refused = loop {
            match store.append(run_id("r1"), vec![user(&text)], at(210)).await {
                Ok(entries) => acknowledged += entries.len(),
                Err(error) => break error,
            }
            assert!(acknowledged < 1_000, "the disk is never full");
        };
        assert_eq!(refused, StoreError::DiskFull);
        let kept = store.transcript(run.session_id.clone(), None, 1_000).await.expect("read");
        assert_eq!(kept.len(), acknowledged);
        fs::remove_file(&ballast).expect("removed");
        store.append(run_id("r1"), vec![user(&text)], at(211)).await.expect("works again");
        store.close().await;
        let (store, report) = Store::open(disk.0.path(), options()).expect("opened");
        assert_eq!(report.state, StoreState::Existing);
        assert_eq!(
            store.transcript(run.session_id, None, 1_000).await.expect("read").len(),
            acknowledged + 1
        );
    }

    #[tokio::test]
    #[ignore = "needs root"]
    async fn a_full_or_read_only_disk_at_start_is_not_writable() {
        let disk = SmallDisk::mount("size=1m");
        let ballast = disk.0.path().join("ballast");
        // The file system refuses at some point; that is what is wanted.
        let _ = fs::write(&ballast, vec![0_u8; 2_000_000]);
        let refused = Store::open(disk.0.path(), options());
        assert!(matches!(&refused, Err(OpenError::NotWritable { .. })), "fresh, full: {refused:?}");
        fs::remove_file(&ballast).expect("removed");
        Store::open(disk.0.path(), options()).expect("opened").0.close().await;
        let _ = fs::write(&ballast, vec![0_u8; 2_000_000]);
        let refused = Store::open(disk.0.path(), options());
        assert!(matches!(&refused, Err(OpenError::NotWritable { .. })), "existing, full: {refused:?}");
        fs::remove_file(&ballast).expect("removed");
        disk.remount("ro");
        let refused = Store::open(disk.0.path(), options());
        assert!(matches!(&refused, Err(OpenError::NotWritable { .. })), "read-only: {refused:?}");
        disk.remount("rw");
        let (_, report) = Store::open(disk.0.path(), options()).expect("opened");
        assert_eq!(report.state, StoreState::Existing, "nothing was moved aside");
    }
}
