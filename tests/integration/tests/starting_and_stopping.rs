//! Starts that cannot be what was asked, and ends: a sentence that says what to do, or a state that
//! the doctor shows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_host::BootError;
use tidegate_integration_tests::device;
use tidegate_integration_tests::host::{self, Served};
use tidegate_integration_tests::place::Place;
use tidegate_integration_tests::program::{self, Program, choose_offline_model};
use tidegate_protocol::Scope;
use tidegate_secrets::SecretStore;
use tidegate_testkit::identity::DeviceIdentity;

const BINARY: &str = "tidegate-under-test";
/// The longest that ending may take, and a margin for a busy machine.
const DRAIN: Duration = Duration::from_secs(20);

fn person() -> DeviceIdentity {
    DeviceIdentity::numbered(0)
}

/// What `tidegate doctor` says about one part: its level and its sentence.
async fn doctor(place: &Place, part: &str) -> (String, String) {
    let output = program::run(BINARY, place, &["doctor", "--json"]).await;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let checks = answer["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == part).unwrap_or_else(|| panic!("{answer}"));
    let field = |name: &str| check[name].as_str().unwrap().to_owned();
    (field("level"), field("sentence"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_names_its_owner() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let place = Place::new();
    let mut options = host::options(&place.state_dir(), SecretStore::memory());
    options.port = Some(port);

    let error = tidegate_host::start(options).await.err().expect("the port is taken");

    let sentence = error.to_string();
    let own = std::env::current_exe().unwrap();
    assert!(matches!(error, BootError::Bind { .. }), "{sentence}");
    assert!(sentence.contains(&port.to_string()), "{sentence}");
    assert!(sentence.contains(&std::process::id().to_string()), "{sentence}");
    assert!(sentence.contains(&own.file_name().unwrap().to_string_lossy().into_owned()), "{sentence}");
    // The failed start left nothing behind that a second one would trip over.
    host::start(&place.state_dir(), SecretStore::memory()).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_program_on_the_same_state_directory_says_so_and_the_first_goes_on() {
    let place = Place::new();
    choose_offline_model(&place.state_dir());
    let mut first = Program::start(BINARY, &place);
    first.ready().await;

    let second = program::run(BINARY, &place, &["serve", "--port", "0"]).await;

    let sentence = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{sentence}");
    assert!(sentence.contains("already runs"), "{sentence}");
    assert!(sentence.contains(&place.state_dir().display().to_string()), "{sentence}");
    let status = program::run(BINARY, &place, &["status", "--json"]).await;
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["pid"], first.id());
    assert_eq!(first.terminate(DRAIN).await.unwrap(), Some(0));
    let status = program::run(BINARY, &place, &["status"]).await;
    assert_eq!(status.status.code(), Some(3), "not running has an exit code of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_goes_to_no_terminal_has_no_colours() {
    let place = Place::new();
    choose_offline_model(&place.state_dir());
    let mut first = Program::start(BINARY, &place);
    first.ready().await;

    let second = program::run(BINARY, &place, &["serve", "--port", "0"]).await;

    let log = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(log.contains("ERROR"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_configuration_leaves_the_last_good_one_in_use_and_the_doctor_says_so() {
    let place = Place::new();
    choose_offline_model(&place.state_dir());
    let file = place.state_dir().join("openclaw.json");
    fs::write(
        &file,
        "{ agents: { defaults: { model: { primary: 'offline/demo' }, subagents: { maxSpawnDepth: 2 } } } }",
    )
    .unwrap();
    let mut program = Program::start(BINARY, &place);
    program.ready().await;
    assert_eq!(doctor(&place, "configuration").await.0, "ok");
    program.terminate(DRAIN).await.unwrap();

    fs::write(&file, "{ agents: { defaults: { model: { primary: 7 }, subagents: { maxSpawnDepth: 'x' } } }")
        .unwrap();
    let mut program = Program::start(BINARY, &place);
    program.ready().await;

    let (level, sentence) = doctor(&place, "configuration").await;
    assert_eq!(level, "warn");
    assert!(sentence.contains("openclaw.json") && sentence.contains("last good"), "{sentence}");
    assert!(doctor(&place, "model").await.1.contains("built-in demo"), "the last good model is in use");
    program.terminate(DRAIN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_store_is_refused_with_a_sentence_and_left_as_it_is() {
    let place = Place::new();
    host::start(&place.state_dir(), SecretStore::memory()).await.unwrap().stop().await;
    let newer = rusqlite::Connection::open(place.store_file()).unwrap();
    newer.execute_batch("UPDATE store_version SET version = 9999; PRAGMA user_version = 9999;").unwrap();
    drop(newer);
    let bytes = fs::read(place.store_file()).unwrap();

    let error = host::start(&place.state_dir(), SecretStore::memory()).await.err().expect("a newer store");

    let sentence = error.to_string();
    assert!(sentence.contains("newer Tidegate") && sentence.contains("9999"), "{sentence}");
    assert!(sentence.contains("Update Tidegate"), "{sentence}");
    assert_eq!(fs::read(place.store_file()).unwrap(), bytes, "the newer store was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_store_is_put_aside_and_everything_else_works() {
    let place = Place::new();
    choose_offline_model(&place.state_dir());
    let garbage = vec![0x5a; 32 * 1024];
    fs::write(place.store_file(), &garbage).unwrap();
    let mut program = Program::start(BINARY, &place);
    program.ready().await;

    let (level, sentence) = doctor(&place, "store").await;
    assert_eq!(level, "warn");
    let aside = fs::read_dir(place.state_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| sentence.contains(&path.display().to_string()) && *path != place.store_file())
        .unwrap_or_else(|| panic!("{sentence}"));
    assert_eq!(fs::read(aside).unwrap(), garbage);
    assert_eq!(doctor(&place, "subagent client").await.0, "ok");
    let tested = program::run(BINARY, &place, &["selftest", "--json"]).await;
    let tested: Value = serde_json::from_slice(&tested.stdout).unwrap();
    assert_eq!(tested["ok"], true, "{tested}");
    program.terminate(DRAIN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_tells_clients_ends_runs_and_takes_at_most_three_seconds() {
    let place = Place::new();
    let scopes: &[Scope] = &[Scope::Admin, Scope::Approvals];
    let served = Served::with_devices(&place, &[(&person(), scopes)]).await;
    let mut client = served.connect(&person(), &["operator.admin", "operator.approvals"]).await.unwrap();
    // A command that waits for a person, and a subagent that does so.
    let send = |session: &str, message: &str, run: &str| json!({ "sessionKey": session, "message": message, "idempotencyKey": run });
    client.request("chat.send", send("agent:main:one", "/run echo one", "run-1")).await.unwrap();
    client.request("chat.send", send("agent:main:two", "/spawn asks: /run echo two", "run-2")).await.unwrap();
    client.event("exec.approval.requested").await.unwrap();
    client.event("exec.approval.requested").await.unwrap();
    let waiting =
        client.send_request("agent.wait", json!({ "runId": "run-1", "timeoutMs": 60_000 })).await.unwrap();

    let begun = Instant::now();
    served.host.stop().await;
    let took = begun.elapsed();

    assert!(took < DRAIN, "{took:?}");
    let closed = client.closed().await.unwrap();
    assert_eq!((closed.code, closed.reason.as_str()), (Some(1012), "service restart"));
    let frames = client.take_kept();
    assert!(frames.iter().any(|frame| frame["event"] == "shutdown"), "{frames:#?}");
    for run in ["run-1", "run-2"] {
        let is_end = |frame: &&Value| frame["event"] == "chat" && frame["payload"]["runId"] == run;
        let last = frames.iter().rfind(is_end).unwrap_or_else(|| panic!("{run}: {frames:#?}"));
        assert_ne!(last["payload"]["state"], "delta", "the end of {run} was told: {frames:#?}");
    }

    assert!(
        frames.iter().any(|frame| frame["id"] == waiting.as_str()),
        "every waiting client was answered: {frames:#?}"
    );

    let host = host::start(&place.state_dir(), SecretStore::memory()).await.unwrap();
    assert!(host.store().unfinished_runs().await.unwrap().is_empty());
    for run in ["run-1", "run-2"] {
        let row = host.store().run(tidegate_protocol::RunId::parse(run).unwrap()).await.unwrap().unwrap();
        assert!(matches!(row.state, tidegate_store::RunState::Terminal(_)), "{row:?}");
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_ends_in_order_on_a_signal_and_on_request() {
    let place = Place::new();
    choose_offline_model(&place.state_dir());
    let mut program = Program::start(BINARY, &place);
    program.ready().await;
    assert_eq!(program.terminate(DRAIN).await.unwrap(), Some(0));

    let mut program = Program::start(BINARY, &place);
    assert_eq!(program.ready().await.interrupted, 0);
    let stopped = program::run(BINARY, &place, &["stop"]).await;
    assert_eq!(stopped.status.code(), Some(0), "{}", String::from_utf8_lossy(&stopped.stderr));
    assert_eq!(program.ended(DRAIN).await.unwrap(), Some(0));
    assert!(!place.state_dir().join("control.sock").exists(), "its socket is left behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_device_was_last_seen_is_saved_while_it_serves_and_only_when_it_changed() {
    let place = Place::new();
    let served = Served::with_devices(&place, &[(&person(), &[Scope::Read])]).await;
    let client = served.connect(&person(), &["operator.read"]).await.unwrap();

    served.host.gateway().save_touched().await;

    let stored = served.host.store().load_trust().await.unwrap().records;
    let device = device::device_id(&person());
    let device = stored.devices.iter().find(|record| record.id == device).expect("the device");
    assert!(device.last_seen_at.is_some(), "{device:?}");
    let commits = served.host.store().stats().commits;
    served.host.gateway().save_touched().await;
    assert_eq!(served.host.store().stats().commits, commits, "nothing changed, so nothing is written");
    client.close().await.unwrap();
    served.host.stop().await;
}
