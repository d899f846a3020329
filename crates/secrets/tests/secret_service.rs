//! The real Secret Service: gnome-keyring on a private session bus, with a home of its own.
//!
//! Each test runs this binary again, once per start of Tidegate, inside `dbus-run-session`; the
//! `start_*` functions at the end are what runs there. Without the two programs the tests print
//! that they are skipped.

#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]
#![allow(clippy::print_stdout, reason = "a skipped test says so, and a failed start shows its output")]
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tidegate_secrets::{
    Kept, OwnKeyOrigin, SecretName, SecretState, SecretStore, ServiceName, ThisRunReason,
    load_or_create_own_key,
};

const UNLOCKED: &str =
    r#"printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec "$@""#;
const NOT_UNLOCKED: &str =
    r#"gnome-keyring-daemon --start --components=secrets </dev/null >/dev/null && exec "$@""#;

fn installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn skipped() -> bool {
    for program in ["dbus-run-session", "gnome-keyring-daemon"] {
        if !installed(program) {
            println!("SKIPPED: {program} is not installed (packages dbus and gnome-keyring)");
            return true;
        }
    }
    false
}

/// The ignored test `start` of this binary, in a session where `script` has started the keyring.
fn in_session(home: &Path, script: &str, start: &str) -> Output {
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "sh", "-c", script, "sh"]).arg(std::env::current_exe().unwrap());
    finish(command, home, start)
}

fn finish(mut command: Command, home: &Path, start: &str) -> Output {
    let runtime = home.join("run");
    std::fs::create_dir_all(&runtime).unwrap();
    command
        .args(["--exact", start, "--ignored", "--nocapture", "--test-threads=1"])
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", runtime)
        .stdin(Stdio::null());
    command.output().unwrap()
}

fn assert_passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
}

#[test]
fn an_unlocked_keyring_keeps_secrets_across_sessions() {
    if skipped() {
        return;
    }
    let home = tempfile::tempdir().unwrap();

    assert_passed(&in_session(home.path(), UNLOCKED, "start_with_an_unlocked_keyring"));
    assert_passed(&in_session(home.path(), UNLOCKED, "start_with_what_the_session_before_stored"));
}

#[test]
fn a_locked_keyring_costs_one_run_and_the_stored_key_comes_back() {
    if skipped() {
        return;
    }
    let home = tempfile::tempdir().unwrap();

    assert_passed(&in_session(home.path(), UNLOCKED, "start_with_an_unlocked_keyring"));
    assert_passed(&in_session(home.path(), NOT_UNLOCKED, "start_with_a_keyring_that_nobody_unlocks"));
    assert_passed(&in_session(home.path(), UNLOCKED, "start_with_what_the_session_before_stored"));
}

#[test]
fn a_keyring_without_a_collection_counts_as_locked() {
    if skipped() {
        return;
    }
    let home = tempfile::tempdir().unwrap();

    assert_passed(&in_session(home.path(), NOT_UNLOCKED, "start_with_a_keyring_that_nobody_unlocks"));
}

#[test]
fn without_a_session_bus_the_keyring_is_absent() {
    let home = tempfile::tempdir().unwrap();
    let program = Command::new(std::env::current_exe().unwrap());

    assert_passed(&finish(program, home.path(), "start_without_a_bus"));
}

const SEED: [u8; 32] = [0x5e; 32];

fn store() -> SecretStore {
    let service: ServiceName = "tidegate-test".parse().unwrap();
    SecretStore::keyring(service)
}

fn provider_key() -> SecretName {
    "provider/test".parse().unwrap()
}

// Called directly on the workers of a multi-threaded runtime, as the host does.

#[ignore = "started by the tests above, in a session of its own"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_with_an_unlocked_keyring() {
    let store = store();

    assert_eq!(store.probe().await, SecretState::Available);
    let own = load_or_create_own_key(&store, SEED).await;
    assert_eq!((*own.seed, own.origin), (SEED, OwnKeyOrigin::Keyring));
    assert_eq!(store.write(&provider_key(), "first".into()).await, Ok(Kept::Keyring));
    assert_eq!(store.write(&provider_key(), "gr\u{fc}n".into()).await, Ok(Kept::Keyring));
    assert_eq!(store.read(&provider_key()).await.unwrap().unwrap().expose(), "gr\u{fc}n");

    // Few enough for a slow disk: what waits longer than a call may take counts as hanging.
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let name: SecretName = format!("task/{}", number % 8).parse().unwrap();
                match number / 8 {
                    0 => drop(store.write(&name, "value".into()).await.unwrap()),
                    _ => drop(store.read(&name).await.unwrap()),
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for number in 0..8 {
        let name: SecretName = format!("task/{number}").parse().unwrap();
        assert_eq!(store.delete(&name).await, Ok(true));
    }
    assert_eq!(store.state(), SecretState::Available);
}

#[ignore = "started by the tests above, in a session of its own"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_with_what_the_session_before_stored() {
    let store = store();

    let own = load_or_create_own_key(&store, [1; 32]).await;

    assert_eq!((*own.seed, own.origin), (SEED, OwnKeyOrigin::Keyring));
    assert_eq!(store.read(&provider_key()).await.unwrap().unwrap().expose(), "gr\u{fc}n");
}

#[ignore = "started by the tests above, in a session of its own"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_with_a_keyring_that_nobody_unlocks() {
    let store = store();

    let own = load_or_create_own_key(&store, [1; 32]).await;
    let state = store.state();

    println!("state {state:?}");
    // Without a program that asks, gnome-keyring dismisses its own question.
    assert!(matches!(state, SecretState::Locked | SecretState::Denied), "{state:?}");
    assert_eq!((*own.seed, own.origin), ([1; 32], OwnKeyOrigin::ThisRunOnly(ThisRunReason::Keyring(state))));
    assert_eq!(store.write(&provider_key(), "x".into()).await, Ok(Kept::ThisRunOnly(state)));
}

#[ignore = "started by the tests above, in a session of its own"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_without_a_bus() {
    let store = store();

    let own = load_or_create_own_key(&store, [1; 32]).await;

    // What was waited for in vain is slow, and not absent.
    assert_eq!(own.origin, OwnKeyOrigin::ThisRunOnly(ThisRunReason::Keyring(SecretState::Absent)));
}
