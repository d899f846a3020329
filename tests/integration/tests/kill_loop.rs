//! `kill -9` at random moments with work in flight: nothing that was acknowledged is lost, nothing
//! is delivered twice, and what was interrupted is reported.
//!
//! `TIDEGATE_KILL_CYCLES` is the number of cycles, `TIDEGATE_SEED` repeats the choices.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_integration_tests::device::{self, record};
use tidegate_integration_tests::ledger;
use tidegate_integration_tests::place::Place;
use tidegate_integration_tests::program::{Program, Ready, TOKEN, choose_offline_model};
use tidegate_integration_tests::random::{Random, count_from_environment};
use tidegate_protocol::payload::chat::ChatMessage;
use tidegate_protocol::{RunId, Scope, SessionKey, TranscriptMessage};
use tidegate_store::{OpenOptions, Outcome, RunState, Store};
use tidegate_testkit::client::{ClientError, ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::Change;
use tokio::task::JoinHandle;

const BINARY: &str = "tidegate-under-test";
/// Cycles of the usual run.
const CYCLES: usize = 40;
/// The latest moment of a kill, after the clients are connected.
const LATEST_KILL_MS: u64 = 500;
/// The latest moment of a kill while the program starts.
const LATEST_KILL_IN_START_MS: u64 = 120;
/// Entries of a history that are looked at: more than one cycle adds.
const HISTORY: u32 = 1_000;
/// Sessions that get messages before new ones take their place, and for how many cycles.
const SESSIONS: u64 = 5;
const CYCLES_OF_A_SESSION: usize = 20;
/// Devices that stay let in; an older one is removed for each further one.
const DEVICES: usize = 12;

/// What the program acknowledged, and what was asked and not acknowledged.
#[derive(Default, Clone)]
struct Acknowledged {
    /// `chat.send`: run, session, message.
    sent: BTreeMap<String, (String, String)>,
    /// Spawn receipts: child run, child session.
    spawned: BTreeMap<String, String>,
    /// Runs whose end was told, and whether they ended well.
    settled: BTreeMap<String, bool>,
    /// Labels that `sessions.patch` set.
    labels: BTreeMap<String, String>,
    granted: BTreeSet<String>,
    revoked: BTreeSet<String>,
    /// Devices and labels about which an answer is missing: either way is right.
    unknown_devices: BTreeSet<String>,
    unknown_labels: BTreeSet<String>,
}

impl Acknowledged {
    /// Whether something of each kind was acknowledged.
    fn has_each_kind(&self) -> bool {
        let messages =
            !self.sent.is_empty() && !self.spawned.is_empty() && self.settled.values().any(|ok| *ok);
        messages && !self.labels.is_empty() && !self.granted.is_empty() && !self.revoked.is_empty()
    }

    /// Adds what came later.
    fn add(&mut self, later: Self) {
        self.sent.extend(later.sent);
        self.spawned.extend(later.spawned);
        self.settled.extend(later.settled);
        for label in &later.unknown_labels {
            self.labels.remove(label);
        }
        self.labels.extend(later.labels);
        self.unknown_labels = later.unknown_labels;
        for device in later.granted {
            self.revoked.remove(&device);
            self.granted.insert(device);
        }
        for device in later.revoked {
            self.granted.remove(&device);
            self.revoked.insert(device);
        }
        for device in &later.unknown_devices {
            self.granted.remove(device);
            self.revoked.remove(device);
        }
        self.unknown_devices = later.unknown_devices;
    }
}

/// The device of the person who drives all this.
fn person() -> DeviceIdentity {
    DeviceIdentity::numbered(0)
}

const PERSON_SCOPES: [Scope; 3] = [Scope::Admin, Scope::Approvals, Scope::Pairing];

async fn connect(ready: &Ready) -> Result<GatewayClient, ClientError> {
    let options = ConnectOptions::default()
        .client("cli", "ui")
        .device(&person())
        .token(TOKEN)
        .caps(&["tool-events"])
        .scopes(&["operator.admin", "operator.approvals", "operator.pairing"]);
    let mut client = GatewayClient::open(&ready.url()).await?;
    client.connect(&options).await?;
    Ok(client)
}

/// One message, of one of the kinds that leave different work in flight.
fn message(random: &mut Random, number: u64) -> String {
    match random.below(6) {
        0 => format!("say {number}"),
        1 => format!("/spawn one-{number}: say one of {number}"),
        2 => format!(
            "/spawn one-{number}: say one\n/spawn two-{number}: say two\n/spawn three-{number}: say three"
        ),
        3 => format!("/spawn asks-{number}: /run echo {number}"),
        4 => format!("/run echo {number}"),
        _ => "/status\n/list".to_owned(),
    }
}

/// Sends messages until the connection ends; gives everything that was acknowledged on it.
async fn converse(mut client: GatewayClient, mut random: Random, cycle: usize) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let mut asked: BTreeMap<String, (String, String, String)> = BTreeMap::new();
    let mut patched: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut number = 0;
    let generation = cycle / CYCLES_OF_A_SESSION;
    loop {
        number += 1;
        let session = format!("agent:main:kill-{generation}-{}", random.below(SESSIONS));
        let sent = if random.below(4) == 0 {
            let label = format!("label {cycle} {number}");
            let key = format!("agent:main:labelled-{generation}-{}", random.below(SESSIONS));
            let sent = client.send_request("sessions.patch", json!({ "key": key, "label": label })).await;
            if let Ok(id) = &sent {
                patched.insert(id.clone(), (key, label));
            }
            sent
        } else {
            let run = format!("run-{cycle}-{number}-{:08x}", random.below(1 << 32));
            let message = message(&mut random, number);
            let params = json!({ "sessionKey": session, "message": message, "idempotencyKey": run });
            let sent = client.send_request("chat.send", params).await;
            if let Ok(id) = &sent {
                asked.insert(id.clone(), (run, session, message));
            }
            sent
        };
        let Ok(id) = sent else { break };
        // Some messages are sent without waiting for the one before.
        if patched.contains_key(&id) || random.below(3) > 0 {
            match client.answer(&id).await {
                Ok(payload) => acknowledge(&mut acknowledged, &id, &payload, &mut asked, &mut patched),
                Err(ClientError::Answer(error)) => check_refusal(&error),
                Err(_) => break,
            }
        }
    }
    // What came before the end was sent, so it counts.
    let _ = client.closed().await;
    for frame in client.take_kept() {
        if frame["type"] == "res" && frame["ok"] == true {
            let id = frame["id"].as_str().unwrap().to_owned();
            acknowledge(&mut acknowledged, &id, &frame["payload"], &mut asked, &mut patched);
        } else if frame["type"] == "res" {
            check_refusal(&frame["error"]);
        } else {
            note_event(&mut acknowledged, &frame);
        }
    }
    for (key, _) in patched.into_values() {
        acknowledged.labels.remove(&key);
        acknowledged.unknown_labels.insert(key);
    }
    acknowledged
}

/// The only refusal that may be heard: too much waits.
fn check_refusal(error: &Value) {
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("already wait") || message.contains("unanswered"), "{error}");
}

fn acknowledge(
    acknowledged: &mut Acknowledged,
    id: &str,
    payload: &Value,
    asked: &mut BTreeMap<String, (String, String, String)>,
    patched: &mut BTreeMap<String, (String, String)>,
) {
    if let Some((run, session, message)) = asked.remove(id) {
        assert_eq!(payload["status"], "started", "{payload}");
        acknowledged.sent.insert(run, (session, message));
    } else if let Some((key, label)) = patched.remove(id) {
        acknowledged.labels.insert(key, label);
    }
}

fn note_event(acknowledged: &mut Acknowledged, frame: &Value) {
    let payload = &frame["payload"];
    match frame["event"].as_str() {
        Some("agent") if payload["stream"] == "tool" => {
            let data = &payload["data"];
            if data["phase"] == "result" && data["name"] == "sessions_spawn" && data["isError"] == false {
                let receipt: Value =
                    serde_json::from_str(data["result"]["content"][0]["text"].as_str().unwrap()).unwrap();
                let field = |name: &str| receipt[name].as_str().unwrap().to_owned();
                acknowledged.spawned.insert(field("runId"), field("childSessionKey"));
            }
        }
        Some("chat") if payload["state"] == "final" || payload["state"] == "error" => {
            let run = payload["runId"].as_str().unwrap().to_owned();
            acknowledged.settled.insert(run, payload["state"] == "final");
        }
        _ => {}
    }
}

/// Lets devices in and removes them until the connection ends.
async fn decide(
    url: String,
    mut client: GatewayClient,
    mut granted: Vec<String>,
    first: u64,
) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    for number in first.. {
        let newcomer = DeviceIdentity::numbered(number);
        let id = device::device_id(&newcomer).to_string();
        let Some(request) = request_to_be_let_in(&url, &newcomer).await else { break };
        acknowledged.unknown_devices.insert(id.clone());
        match client.request("device.pair.approve", json!({ "requestId": request })).await {
            Ok(_) => acknowledged.granted.insert(id.clone()),
            Err(ClientError::Answer(error)) => panic!("{error}"),
            Err(_) => break,
        };
        acknowledged.unknown_devices.remove(&id);
        granted.push(id);
        if granted.len() > DEVICES {
            let oldest = granted.remove(0);
            acknowledged.granted.remove(&oldest);
            acknowledged.unknown_devices.insert(oldest.clone());
            match client.request("device.pair.remove", json!({ "deviceId": oldest })).await {
                Ok(_) => acknowledged.revoked.insert(oldest.clone()),
                Err(ClientError::Answer(error)) => panic!("{error}"),
                Err(_) => break,
            };
            acknowledged.unknown_devices.remove(&oldest);
        }
    }
    acknowledged
}

/// The id of the request that a new device's first connection makes; `None` when nobody answers.
async fn request_to_be_let_in(url: &str, newcomer: &DeviceIdentity) -> Option<String> {
    let options = ConnectOptions::default().device(newcomer).token(TOKEN).scopes(&["operator.read"]);
    match GatewayClient::open(url).await.ok()?.connect(&options).await {
        Err(ClientError::Answer(error)) => {
            assert_eq!(error["code"], "NOT_PAIRED", "{error}");
            Some(error["details"]["requestId"].as_str().unwrap().to_owned())
        }
        Ok(hello) => panic!("a stranger was let in: {hello}"),
        Err(_) => None,
    }
}

/// Asks a fresh start about everything that the one before acknowledged.
async fn check_over_the_gateway(client: &mut GatewayClient, last: &Acknowledged, all: &Acknowledged) {
    for run in last.sent.keys().chain(last.spawned.keys()) {
        let ended = client.request("agent.wait", json!({ "runId": run, "timeoutMs": 50_000 })).await.unwrap();
        let status = ended["status"].as_str().unwrap();
        assert!(status == "ok" || status == "error", "the acknowledged run {run} is {ended}");
        if let Some(was_ok) = last.settled.get(run) {
            assert_eq!(status == "ok", *was_ok, "{run} ended otherwise than was told: {ended}");
        }
    }
    check_histories(client, last).await;
    let listed = client.request("device.pair.list", json!({})).await.unwrap();
    let paired: BTreeSet<&str> = listed["paired"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|device| device["deviceId"].as_str())
        .collect();
    let lost: Vec<_> = all.granted.iter().filter(|device| !paired.contains(device.as_str())).collect();
    assert!(lost.is_empty(), "of {} grants these are lost: {lost:?}", all.granted.len());
    for device in &all.revoked {
        assert!(!paired.contains(device.as_str()), "the removed {device} is back");
    }
    assert_eq!(listed["pending"], json!([]), "requests are not kept");
}

/// What was acknowledged last is in the history that clients see.
async fn check_histories(client: &mut GatewayClient, last: &Acknowledged) {
    let sessions: BTreeSet<&String> = last.sent.values().map(|(session, _)| session).collect();
    let mut seen = BTreeMap::new();
    for session in sessions {
        let params = json!({ "sessionKey": session, "limit": HISTORY });
        let history = client.request("chat.history", params).await.unwrap();
        for message in history["messages"].as_array().unwrap().iter().filter(|body| body["role"] == "user") {
            let run = message["__openclaw"]["runId"].as_str().unwrap_or_default().to_owned();
            let message: ChatMessage = serde_json::from_value(message.clone()).unwrap();
            seen.insert(run, message.text());
        }
    }
    for (run, (session, message)) in &last.sent {
        let shown = seen.get(run);
        assert_eq!(shown, Some(message), "the history of {session} does not show what was said to {run}");
    }
}

#[derive(Default)]
struct Totals {
    interrupted: u64,
    kills_in_start: u64,
    consumed: usize,
    waiting: usize,
    unknown_calls: usize,
}

/// Looks at the whole store after the last start has ended in order.
async fn check_the_store(place: &Place, all: &Acknowledged, totals: &mut Totals) {
    let (store, report) = Store::open(&place.state_dir(), OpenOptions::default()).unwrap();
    assert_eq!(report.state, tidegate_store::StoreState::Existing, "the store was damaged by a kill");
    assert_eq!(store.unfinished_runs().await.unwrap(), Vec::new());
    let mut sessions = BTreeSet::new();
    for (run, (session, message)) in &all.sent {
        let row = store.run(RunId::parse(run.clone()).unwrap()).await.unwrap();
        let row = row.unwrap_or_else(|| panic!("the acknowledged message of {run} is lost"));
        assert_eq!(row.session.as_str(), session);
        assert_eq!(row.input.as_ref().unwrap().text(), *message);
        check_end(&row);
        sessions.insert(row.session.clone());
        let entries = ledger::transcript(&store, &row.session).await;
        let of_run = entries.iter().filter(|entry| entry.run.as_ref() == Some(&row.id));
        let said = of_run.filter(|entry| matches!(entry.message, TranscriptMessage::User { .. })).count();
        // A run that was still waiting when the process ended shows what was said to it, too.
        assert_eq!(said, 1, "the message of {run} is there {said} times: {row:?}");
    }
    for (run, session) in &all.spawned {
        let row = store.run(RunId::parse(run.clone()).unwrap()).await.unwrap();
        let row = row.unwrap_or_else(|| panic!("the subagent {run}, for which there is a receipt, is lost"));
        assert_eq!(row.session.as_str(), session);
        check_end(&row);
        sessions.insert(row.session.clone());
        let parent = store.run(row.parent.clone().unwrap()).await.unwrap().unwrap();
        sessions.insert(parent.session);
    }
    for (run, was_ok) in &all.settled {
        let row = store.run(RunId::parse(run.clone()).unwrap()).await.unwrap().unwrap();
        assert_eq!(
            row.state == RunState::Terminal(Outcome::Ok),
            *was_ok,
            "{run} ended otherwise than was told"
        );
    }
    for session in &sessions {
        check_session(&store, session, totals).await;
    }
    for (key, label) in &all.labels {
        let row = store.session(SessionKey::parse(key).unwrap()).await.unwrap();
        assert_eq!(row.unwrap().label.as_deref(), Some(label.as_str()));
    }
    store.close().await;
}

/// Every run has ended, and one that did not end well says why.
fn check_end(row: &tidegate_store::RunRow) {
    match row.state {
        RunState::Terminal(Outcome::Ok) => assert!(row.result.is_some(), "{row:?}"),
        RunState::Terminal(Outcome::Interrupted) => {
            let error = row.error.as_deref().unwrap_or_default();
            assert!(error.contains("Tidegate stopped") || error.contains("Tidegate was closed"), "{error}");
        }
        state => panic!("{} is {state:?}: {:?}", row.id, row.error),
    }
}

async fn check_session(store: &Store, session: &SessionKey, totals: &mut Totals) {
    ledger::check_children(store, session).await;
    for row in store.inbox(session.clone()).await.unwrap() {
        *(if row.consumed_at_seq.is_some() { &mut totals.consumed } else { &mut totals.waiting }) += 1;
    }
    let entries = ledger::transcript(store, session).await;
    for (position, entry) in entries.iter().enumerate() {
        assert_eq!(entry.seq, position as u64 + 1, "{session} has a gap");
        if matches!(entry.message, TranscriptMessage::ToolResult { .. })
            && entry.message.text().contains("outcome of this call is unknown")
        {
            totals.unknown_calls += 1;
        }
    }
    // Ids of calls are unique in a run only, and a run's entries follow each other.
    let mut open: BTreeMap<(String, String), i64> = BTreeMap::new();
    for entry in &entries {
        let run = entry.run.as_ref().map(ToString::to_string).unwrap_or_default();
        match &entry.message {
            TranscriptMessage::ToolResult { tool_call_id, .. } => {
                *open.entry((run, tool_call_id.clone())).or_default() -= 1;
            }
            TranscriptMessage::Assistant { content, .. } => {
                for call in &content.calls {
                    *open.entry((run.clone(), call.id.clone())).or_default() += 1;
                }
            }
            message => assert!(!matches!(message, TranscriptMessage::Unknown(_)), "{session}: {message:?}"),
        }
    }
    let unanswered: Vec<_> = open.into_iter().filter(|(_, count)| *count != 0).collect();
    assert!(unanswered.is_empty(), "{session}: tool calls without exactly one result: {unanswered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stderr, reason = "says what was counted")]
async fn nothing_acknowledged_is_lost_and_nothing_is_delivered_twice() {
    let mut random = Random::from_environment("kill loop");
    let cycles = count_from_environment("TIDEGATE_KILL_CYCLES", CYCLES);
    let place = Place::new();
    choose_offline_model(&place.state_dir());
    let owner = record(device::public_key(&person()), "person", &PERSON_SCOPES);
    device::commit(&place.state_dir(), vec![Change::PutDevice(Box::new(owner))]).await;
    let (mut all, mut last) = (Acknowledged::default(), Acknowledged::default());
    let mut totals = Totals::default();
    let (mut kills, mut newcomers) = (0, 1);
    // On a machine that is busy with other things less is acknowledged before a kill.
    for cycle in 0..4 * cycles {
        if cycle >= cycles && (cycles < CYCLES || all.has_each_kind() && totals.interrupted > 0) {
            break;
        }
        kills += 1;
        let mut program = Program::start(BINARY, &place);
        if random.below(6) == 0 {
            // The moment is random on purpose: nothing is waited for.
            tokio::time::sleep(Duration::from_millis(random.below(LATEST_KILL_IN_START_MS))).await;
            program.kill().await;
            totals.kills_in_start += 1;
            continue;
        }
        let ready = program.ready().await;
        totals.interrupted += ready.interrupted;
        let mut client = connect(&ready).await.unwrap();
        check_over_the_gateway(&mut client, &last, &all).await;
        let decider = connect(&ready).await.unwrap();
        let talk: JoinHandle<Acknowledged> = tokio::spawn(converse(client, random.fork(), cycle));
        let granted = all.granted.iter().cloned().collect();
        let decisions = tokio::spawn(decide(ready.url(), decider, granted, newcomers));
        newcomers += 1_000;
        tokio::time::sleep(Duration::from_millis(random.below(LATEST_KILL_MS))).await;
        program.kill().await;
        last = talk.await.unwrap();
        all.add(last.clone());
        all.add(decisions.await.unwrap());
    }
    let mut program = Program::start(BINARY, &place);
    let ready = program.ready().await;
    totals.interrupted += ready.interrupted;
    let mut client = connect(&ready).await.unwrap();
    check_over_the_gateway(&mut client, &last, &all).await;
    assert_eq!(program.terminate(Duration::from_mins(1)).await.unwrap(), Some(0));
    check_the_store(&place, &all, &mut totals).await;

    let ok = all.settled.values().filter(|was_ok| **was_ok).count();
    eprintln!(
        "kill loop: {kills} kills ({} while starting); acknowledged: {} messages, {} spawns, {} ends ({ok} well), {} \
         labels, {} grants, {} removals; {} runs interrupted, {} results read once and {} waiting, {} calls with \
         unknown outcome; lost: 0, twice: 0",
        totals.kills_in_start,
        all.sent.len(),
        all.spawned.len(),
        all.settled.len(),
        all.labels.len(),
        all.granted.len() + all.revoked.len(),
        all.revoked.len(),
        totals.interrupted,
        totals.consumed,
        totals.waiting,
        totals.unknown_calls,
    );
    // A run of the loop in which nothing was in flight would prove nothing.
    let counts =
        [all.sent.len(), all.spawned.len(), ok, all.granted.len(), totals.consumed, totals.unknown_calls];
    assert!(cycles < CYCLES || counts.iter().all(|count| *count > 0), "{counts:?}");
    assert!(cycles < CYCLES || (totals.interrupted > 0 && !all.revoked.is_empty() && !all.labels.is_empty()));
}
