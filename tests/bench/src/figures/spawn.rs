//! A spawn against a bare transaction.
//!
//! The host is in the process that measures: the runtime's own events tell when a call begins and
//! ends, without the way to a client in between.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidegate_agent::event::{RunEventKind, RuntimeEvent};
use tidegate_host::ServeOptions;
use tidegate_secrets::SecretStore;
use tidegate_testkit::load::{LoadConnection, LoadDevice};
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

use crate::report::Row;
use crate::server::{own_part, state_directory};
use crate::setting::Setting;
use crate::state;
use crate::statistics::{median, spread};

const SPAWNS: usize = 100;
/// After so long without an event everything that a run started is over.
const QUIET: Duration = Duration::from_millis(150);
const PATIENCE: Duration = Duration::from_secs(10);

/// What the process is measured.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The program for tools; none is started
    #[arg(long)]
    tool_runner: PathBuf,
}

/// Milliseconds, spawn by spawn.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Measured {
    spawns: Vec<f64>,
    transactions: Vec<f64>,
}

/// Starts a host, spawns, and prints what it took.
pub(crate) async fn run_once(arguments: Arguments) -> anyhow::Result<()> {
    let directory = state_directory()?;
    let state_dir = directory.path().join("state");
    state::prepare(&state_dir, 1, &state::defaults()).await?;
    let bare = BareStore::open(&directory.path().join("bare.sqlite"))?;
    let options = ServeOptions {
        state_dir: Some(state_dir),
        port: Some(0),
        quiet: true,
        tool_runner: arguments.tool_runner,
        secrets: Some(SecretStore::memory()),
        local_models: Some(Vec::new()),
        ..ServeOptions::default()
    };
    let host = tidegate_host::start(options).await?;
    let device = LoadDevice::numbered(0).options(&["operator.admin"]);
    let (mut client, _) = LoadConnection::connected(host.port(), &device).await?;
    let mut events = host.runtime().events();
    let mut measured = Measured::default();
    for number in 0..SPAWNS {
        let params = json!({
            "sessionKey": format!("agent:main:spawn-{number}"),
            "message": "/spawn one: say hello",
            "idempotencyKey": uuid::Uuid::new_v4(),
        });
        // Each event has to be seen when it is sent, whatever the client waits for.
        let call = tokio::spawn(async move { (milliseconds_of_call(&mut events).await, events) });
        client.request("chat.send", &params).await?;
        let (milliseconds, returned) = call.await?;
        measured.spawns.push(milliseconds?);
        events = returned;
        while let Ok(event) = timeout(QUIET, events.recv()).await {
            event?;
        }
        // The first after a rest is slower, and ours come one after the other.
        bare.transaction()?;
        measured.transactions.push(bare.transaction()?);
    }
    println!("{}", serde_json::to_string(&measured)?);
    client.close().await;
    host.stop().await;
    Ok(())
}

/// From the event of the call to that of its result.
async fn milliseconds_of_call(events: &mut Receiver<Arc<RuntimeEvent>>) -> anyhow::Result<f64> {
    let mut started = None;
    loop {
        let event = timeout(PATIENCE, events.recv()).await.context("no spawn was seen")??;
        match &event.kind {
            RunEventKind::ToolStarted { name, .. } if name == "sessions_spawn" => {
                started = Some(Instant::now())
            }
            RunEventKind::ToolEnded { name, text, is_error, .. } if name == "sessions_spawn" => {
                anyhow::ensure!(!is_error, "the spawn failed: {text}");
                let started = started.context("a result without a call")?;
                return Ok(started.elapsed().as_secs_f64() * 1e3);
            }
            _ => {}
        }
    }
}

/// A SQLite file that is written as ours is: a write-ahead log, synced with each commit.
struct BareStore(Connection);

impl BareStore {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch("CREATE TABLE bare (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT")?;
        let store = Self(connection);
        store.transaction()?;
        Ok(store)
    }

    /// Milliseconds for one row of 512 bytes.
    fn transaction(&self) -> anyhow::Result<f64> {
        let mut statement = self.0.prepare_cached("INSERT INTO bare (body) VALUES (?1)")?;
        let body = "x".repeat(512);
        let since = Instant::now();
        statement.execute([body])?;
        Ok(since.elapsed().as_secs_f64() * 1e3)
    }
}

pub(super) async fn acknowledged(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let text = own_part(&["spawn-times", "--tool-runner"], &setting.tidegate).await?;
    let measured: Measured = serde_json::from_str(text.trim()).context(text)?;
    anyhow::ensure!(measured.spawns.len() == SPAWNS, "spawns are missing");
    let (spawn, transaction) = (median(&measured.spawns), median(&measured.transactions));
    let ((least, most), (bare_least, bare_most)) = (spread(&measured.spawns), spread(&measured.transactions));
    let note = format!(
        "median of {SPAWNS} each, taking turns: {spawn:.2} ms ({least:.2} - {most:.2}) from the call of \
         `sessions_spawn` to its result, through our own client and the gateway; a bare transaction of one row \
         {transaction:.2} ms ({bare_least:.2} - {bare_most:.2}). Both wait for the disk."
    );
    Ok(vec![Row::new("spawn acknowledged", spawn / transaction, "x bare").limits(3.0, 1.5).note(note)])
}
