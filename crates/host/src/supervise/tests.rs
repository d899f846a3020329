use std::net::TcpListener as StdTcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tempfile::TempDir;
use tidegate_agent::subagent::SubagentGateway as _;
use tidegate_secrets::{Backend, BackendError, SecretName, SecretState, SecretStore, SecretText};
use tidegate_testkit::client::{ClientError, ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::decision::{Choice, Desktop, GrantLifetime, Verdict};
use tidegate_trust::pairing::PendingRequest;
use tidegate_trust::token::Token;

use super::*;
use crate::options::Announcement;

mod waiting;

/// Generous: a test machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory whose `state` is the state directory, and the shared tokens that were told.
struct Place {
    root: TempDir,
    tokens: Arc<Mutex<Vec<Token>>>,
}

impl Place {
    fn new() -> Self {
        let root = TempDir::with_prefix("tidegate-supervise-").expect("a directory");
        Self { root, tokens: Arc::default() }
    }

    fn state_dir(&self) -> PathBuf {
        self.root.path().join("state")
    }

    fn tokens(&self) -> Vec<Token> {
        self.tokens.lock().expect("told").clone()
    }

    fn options(&self) -> ServeOptions {
        let told = self.tokens.clone();
        let announce = move |announcement: &Announcement| {
            if let Announcement::SharedToken { token } = announcement {
                told.lock().expect("told").push(token.clone());
            }
        };
        ServeOptions {
            announce: Box::new(announce),
            state_dir: Some(self.state_dir()),
            port: Some(0),
            quiet: true,
            secrets: Some(SecretStore::memory()),
            local_models: Some(Vec::new()),
            ..ServeOptions::default()
        }
    }

    /// Has a part of the gateway panic.
    fn strike(&self, part: &str) {
        std::fs::write(self.state_dir().join("fault"), part).expect("written");
    }

    fn options_beside_a_desktop(&self) -> ServeOptions {
        ServeOptions { desktop: Desktop::Running, ..self.options() }
    }

    /// A device connects.
    async fn device(&self, port: u16, number: u64) -> Result<GatewayClient, ClientError> {
        let options = ConnectOptions::default()
            .device(&DeviceIdentity::numbered(number))
            .token(self.tokens()[0].reveal())
            .scopes(&["operator.read"]);
        let mut client = GatewayClient::open(&format!("ws://127.0.0.1:{port}")).await?;
        client.connect(&options).await?;
        Ok(client)
    }

    /// A device asks to pair and is not let in; what waits for it.
    async fn request_pairing(&self, supervised: &Supervised, port: u16, number: u64) -> PendingRequest {
        let refused = self.device(port, number).await;
        assert!(matches!(refused, Err(ClientError::Answer(_))), "{:?}", refused.err());
        requests(supervised).pop().expect("it waits")
    }

    /// A client that may ask for `health` and nothing else.
    async fn probe(&self, port: u16) -> GatewayClient {
        let mut client = GatewayClient::open(&format!("ws://127.0.0.1:{port}")).await.expect("it answers");
        let options = ConnectOptions::default().client("cli", "probe").token(self.tokens()[0].reveal());
        client.connect(&options).await.expect("let in");
        client
    }
}

async fn reached(
    supervised: &Supervised,
    what: &str,
    is_it: impl Fn(&SupervisedState) -> bool,
) -> SupervisedState {
    let mut states = supervised.states();
    let reached = tokio::time::timeout(PATIENCE, states.wait_for(is_it)).await;
    match reached {
        Ok(Ok(state)) => state.clone(),
        _ => panic!("it is not {what} but {supervised:?}"),
    }
}

/// The port of a generation that serves, or of a later one.
async fn ready(supervised: &Supervised, least: u64) -> u16 {
    let is_ready = |state: &SupervisedState| matches!(state, SupervisedState::Ready { generation, .. } if *generation >= least);
    match reached(supervised, "ready", is_ready).await {
        SupervisedState::Ready { port, .. } => port,
        _ => unreachable!("waited for"),
    }
}

async fn failed(supervised: &Supervised) -> String {
    match reached(supervised, "failed", |state| matches!(state, SupervisedState::Failed { .. })).await {
        SupervisedState::Failed { reason } => reason,
        _ => unreachable!("waited for"),
    }
}

fn approved(duration: GrantLifetime) -> Verdict {
    Verdict::Approve { choice: Choice::All, duration }
}

fn requests(supervised: &Supervised) -> Vec<PendingRequest> {
    supervised.host().expect("it serves").desktop().expect("a desktop runs").requests()
}

/// Polls once.
async fn is_waiting(mut future: std::pin::Pin<&mut impl Future>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

/// The person decides at the gateway that serves now.
async fn decide(supervised: &Supervised, request: &PendingRequest, duration: GrantLifetime) {
    let desktop = supervised.host().expect("it serves").desktop().expect("a desktop runs");
    desktop.decide(&request.id, &request.details.digest(), &approved(duration)).await.expect("decided");
}

fn lock_is_free(state_dir: &Path) -> bool {
    crate::state_dir::InstanceLock::take(state_dir).is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_until_it_is_stopped_and_leaves_port_and_directory_free() {
    let place = Place::new();
    let supervised = supervise(place.options());
    let port = ready(&supervised, 1).await;
    let health = place.probe(port).await.request("health", json!({})).await;
    assert!(health.is_ok(), "{health:?}");
    assert!(!lock_is_free(&place.state_dir()));

    supervised.stop().await;

    assert_eq!(*supervised.states().borrow(), SupervisedState::Stopped);
    assert!(supervised.host().is_none());
    assert!(lock_is_free(&place.state_dir()));
    assert!(StdTcpListener::bind(("127.0.0.1", port)).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_panics_takes_the_gateway_through_an_orderly_restart_on_the_same_port() {
    for part in ["accept loop", "local socket", "maintenance"] {
        let place = Place::new();
        let supervised = supervise(place.options());
        let port = ready(&supervised, 1).await;
        let mut client = place.probe(port).await;
        let before = supervised.host().expect("it serves");

        place.strike(part);

        let closed = client.closed().await.expect("closed");
        assert_eq!((closed.code, closed.reason.as_str()), (Some(1012), "service restart"), "{part}");
        assert_eq!(ready(&supervised, 2).await, port, "{part}");
        let after = supervised.host().expect("it serves again");
        assert!(!Arc::ptr_eq(&before, &after), "{part}");
        assert!(place.probe(port).await.request("health", json!({})).await.is_ok(), "{part}");
        supervised.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn someone_who_connects_while_it_restarts_is_served_afterwards() {
    let place = Place::new();
    let supervised = supervise(place.options());
    let port = ready(&supervised, 1).await;
    place.strike("accept loop");
    let is_backing_off = |state: &SupervisedState| matches!(state, SupervisedState::BackingOff { .. });
    reached(&supervised, "backing off", is_backing_off).await;
    // The socket still listens, though nobody accepts.
    assert!(StdTcpListener::bind(("127.0.0.1", port)).is_err());
    place.probe(port).await;
    supervised.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_panics_is_tried_again_and_leaves_nothing_in_the_way() {
    let place = Place::new();
    let mut is_first = true;
    let announce = move |announcement: &Announcement| {
        let panics = matches!(announcement, Announcement::Ready { .. }) && std::mem::take(&mut is_first);
        assert!(!panics, "the first start was asked to panic");
    };
    let options = ServeOptions {
        announce: Box::new(announce),
        tool_runner: std::env::current_exe().expect("this test"),
        ..place.options()
    };

    let supervised = supervise(options);

    ready(&supervised, 1).await;
    assert_eq!(supervised.host().expect("it serves").degraded(), Vec::<String>::new());
    supervised.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_gives_up_after_five_restarts_in_a_minute_until_a_person_asks() {
    let place = Place::new();
    let supervised = supervise(place.options());
    for generation in 1..=6 {
        ready(&supervised, generation).await;
        place.strike("accept loop");
    }
    let reason = failed(&supervised).await;
    assert!(reason.contains("accept loop"), "{reason}");
    assert!(supervised.host().is_none());

    supervised.restart();

    ready(&supervised, 7).await;
    // Earlier failures are forgotten: this one is the first again.
    place.strike("accept loop");
    ready(&supervised, 8).await;
    supervised.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_fails_at_once_names_its_owner_and_offers_another() {
    // Nobody gets the ports beside it by chance: they lie below those that the system gives out itself.
    let ports = 20_000 + u16::try_from(std::process::id() % 12_000).expect("it is small")..32_000;
    let taken = ports.into_iter().find_map(|port| StdTcpListener::bind(("127.0.0.1", port)).ok());
    let taken = taken.expect("a port");
    let port = taken.local_addr().expect("its number").port();
    let place = Place::new();

    let supervised = supervise(ServeOptions { port: Some(port), ..place.options() });

    let reason = failed(&supervised).await;
    assert!(reason.contains(&format!("process {}", std::process::id())), "{reason}");
    let free = supervised.free_port().expect("a port is free");
    assert!(free != port && !reason.contains("--port"), "{reason}");
    supervised.restart_on(free);
    assert_eq!(ready(&supervised, 1).await, free);
    assert_eq!(supervised.free_port(), None);
    supervised.stop().await;
    drop(taken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_one_on_the_same_directory_fails_at_once_and_serves_once_the_first_has_stopped() {
    let place = Place::new();
    let first = supervise(place.options());
    ready(&first, 1).await;
    let second = supervise(place.options());
    let reason = failed(&second).await;
    assert!(reason.contains("already runs"), "{reason}");

    first.stop().await;
    second.restart();

    ready(&second, 1).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_reported_in_sentences() {
    let place = Place::new();
    let options = ServeOptions {
        tool_runner: place.root.path().join("no-such-program"),
        secrets: Some(SecretStore::without_keyring(SecretState::Locked)),
        ..place.options()
    };
    let supervised = supervise(options);
    ready(&supervised, 1).await;
    let host = supervised.host().expect("it serves");

    let degraded = host.degraded();

    assert!(degraded.iter().any(|sentence| sentence.contains("no-such-program")), "{degraded:?}");
    assert!(degraded.iter().any(|sentence| sentence.contains("keyring is locked")), "{degraded:?}");
    assert_eq!(degraded.len(), 2, "{degraded:?}");
    supervised.stop().await;
}

/// A keyring that a person may lock and unlock.
struct Lockable(Arc<AtomicBool>);

impl Lockable {
    fn unlocked(&self) -> Result<(), BackendError> {
        if self.0.load(Ordering::SeqCst) { Err(BackendError::Locked) } else { Ok(()) }
    }
}

impl Backend for Lockable {
    fn read(&mut self, _: &SecretName) -> Result<Option<SecretText>, BackendError> {
        self.unlocked().map(|()| None)
    }

    fn write(&mut self, _: &SecretName, _: &SecretText) -> Result<(), BackendError> {
        self.unlocked()
    }

    fn delete(&mut self, _: &SecretName) -> Result<bool, BackendError> {
        self.unlocked().map(|()| true)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyring_that_locks_itself_is_reported_while_it_serves() {
    let is_locked = Arc::new(AtomicBool::new(false));
    let secrets = SecretStore::with_backend(Lockable(is_locked.clone()));
    let place = Place::new();
    let supervised = supervise(ServeOptions { secrets: Some(secrets.clone()), ..place.options() });
    ready(&supervised, 1).await;
    is_locked.store(true, Ordering::SeqCst);

    let name: SecretName = "test".parse().expect("a name");
    // It is locked: that is what is to be found out.
    let _ = secrets.read(&name).await;

    let tells = |state: &SupervisedState| matches!(state, SupervisedState::Ready { degraded, .. } if degraded.iter().any(|sentence| sentence.contains("keyring is locked")));
    reached(&supervised, "degraded", tells).await;
    supervised.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_or_a_store_that_ends_by_itself_is_built_again() {
    let place = Place::new();
    let supervised = supervise(place.options());
    ready(&supervised, 1).await;

    supervised.host().expect("it serves").gateway().stop("test").await;
    ready(&supervised, 2).await;
    supervised.host().expect("it serves again").store().clone().close().await;

    ready(&supervised, 3).await;
    let host = supervised.host().expect("it serves again");
    assert!(host.gateway().is_ready() && host.store().set_flag("test", None).await.is_ok());
    supervised.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_and_who_was_let_in_for_a_while_is_still_there_after_a_restart() {
    let place = Place::new();
    let supervised = supervise(place.options_beside_a_desktop());
    let port = ready(&supervised, 1).await;
    let until_quit = place.request_pairing(&supervised, port, 1).await;
    decide(&supervised, &until_quit, GrantLifetime::UntilQuit).await;
    let waiting = place.request_pairing(&supervised, port, 2).await;
    let desktop_before = supervised.host().expect("it serves").desktop().expect("a desktop runs");

    place.strike("accept loop");

    assert_eq!(ready(&supervised, 2).await, port);
    assert_eq!(requests(&supervised), std::slice::from_ref(&waiting), "under its id, and as it was drawn");
    place.device(port, 1).await.expect("until Tidegate quits");
    assert_eq!(place.request_pairing(&supervised, port, 2).await.id, waiting.id);
    let late =
        desktop_before.decide(&waiting.id, &waiting.details.digest(), &approved(GrantLifetime::Always)).await;
    assert!(late.is_err(), "the gateway before has nothing left to decide");
    assert!(desktop_before.new_token("late", tidegate_trust::Level::Read, false).await.is_err());
    decide(&supervised, &waiting, GrantLifetime::Always).await;
    place.device(port, 2).await.expect("let in");
    let subagents = supervised.host().expect("it serves").subagents().clone();
    assert!(subagents.call("sessions.list", json!({})).await.is_ok(), "our own client is let in");

    // Because a person asked; and what was decided in between is kept like anything else.
    supervised.restart();
    ready(&supervised, 3).await;
    for number in [1, 2] {
        place.device(port, number).await.expect("still let in");
    }
    supervised.stop().await;

    let supervised = supervise(place.options_beside_a_desktop());
    let port = ready(&supervised, 1).await;
    place.device(port, 2).await.expect("for good");
    place.request_pairing(&supervised, port, 1).await;
    supervised.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_is_being_saved_when_the_gateway_fails_counts() {
    let place = Place::new();
    let supervised = supervise(place.options_beside_a_desktop());
    let port = ready(&supervised, 1).await;
    let request = place.request_pairing(&supervised, port, 1).await;
    let waiting = place.request_pairing(&supervised, port, 2).await;
    let desktop = supervised.host().expect("it serves").desktop().expect("a desktop runs");
    let digest = request.details.digest();
    let verdict = approved(GrantLifetime::Always);
    let store = supervised.host().expect("it serves").store().clone();
    {
        // So much is to be saved before it that its answer takes a while.
        let mut before: Vec<_> =
            (0..64).map(|_| Box::pin(store.set_flag("test", Some("kept".to_owned())))).collect();
        for write in &mut before {
            is_waiting(write.as_mut()).await;
        }
        // It is handed to the store, and then nobody waits for the answer any longer.
        let decision = std::pin::pin!(desktop.decide(&request.id, &digest, &verdict));
        assert!(is_waiting(decision).await);
    }

    place.strike("accept loop");

    ready(&supervised, 2).await;
    place.device(port, 1).await.expect("the decision counts");
    assert_eq!(requests(&supervised), [waiting], "who waits waits on");
    supervised.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_store_than_before_counts_by_itself() {
    let place = Place::new();
    // Not a directory: nothing can be kept in it, for root neither.
    std::fs::write(place.state_dir(), "in the way").expect("written");
    let supervised = supervise(place.options_beside_a_desktop());
    let port = ready(&supervised, 1).await;
    let request = place.request_pairing(&supervised, port, 1).await;
    decide(&supervised, &request, GrantLifetime::Always).await;
    place.device(port, 1).await.expect("let in while nothing is kept");
    // As a part that failed would: the store in memory is the same one.
    supervised.host().expect("it serves").parts.spawn("maintenance", async {});
    ready(&supervised, 2).await;
    place.device(port, 1).await.expect("still let in");
    std::fs::remove_file(place.state_dir()).expect("out of the way");

    supervised.restart();

    ready(&supervised, 3).await;
    assert_eq!(place.tokens().len(), 2, "the store on the disk has a shared token of its own");
    let known = place.device(port, 1).await;
    assert!(known.is_err(), "what was said to be lost is not brought back");
    supervised.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_can_be_kept_a_restart_keeps_what_is_in_memory() {
    let place = Place::new();
    // Not a directory: nothing can be kept in it, for root neither.
    std::fs::write(place.state_dir(), "in the way").expect("written");
    let supervised = supervise(place.options());
    ready(&supervised, 1).await;
    let host = supervised.host().expect("it serves");
    let degraded = host.degraded();
    assert!(degraded[0].starts_with("Nothing is kept"), "{degraded:?}");
    assert!(degraded.iter().any(|sentence| sentence.contains("command line")), "{degraded:?}");
    host.store().set_flag("test", Some("kept".to_owned())).await.expect("set");

    // As a part that failed would.
    host.parts.spawn("maintenance", async {});

    ready(&supervised, 2).await;
    let host = supervised.host().expect("it serves again");
    assert_eq!(host.store().flag("test").await.expect("read").as_deref(), Some("kept"));
    assert_eq!(place.tokens().len(), 1, "the shared token is still the same");
    supervised.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_when_nobody_holds_it_any_longer() {
    let place = Place::new();
    let supervised = supervise(place.options());
    ready(&supervised, 1).await;
    let mut states = supervised.states();
    drop(supervised);
    let stopped = states.wait_for(|state| *state == SupervisedState::Stopped);
    assert!(tokio::time::timeout(PATIENCE, stopped).await.expect("in time").is_ok());
    assert!(lock_is_free(&place.state_dir()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_while_it_starts_leaves_nothing_behind() {
    let place = Place::new();
    let supervised = supervise(place.options());
    supervised.stop().await;
    assert_eq!(*supervised.states().borrow(), SupervisedState::Stopped);
    assert!(lock_is_free(&place.state_dir()));
}
