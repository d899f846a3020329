//! Subagents with the built-in model, which answers at once.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::Connection;
use serde_json::{Value, json};
use tidegate_testkit::load::{LoadConnection, LoadDevice};
use tokio::time::timeout;

use crate::report::Row;
use crate::server::{Processors, Server};
use crate::setting::Setting;
use crate::statistics::{median, spread};

const SPAWNS: usize = 50;
const CHILDREN: usize = 50;
const ROUNDS: usize = 5;
/// After so long without an event everything that a run started is over.
const QUIET: Duration = Duration::from_millis(300);

/// A client that runs agents and sees their tools.
async fn operator(server: &Server, tool_events: bool) -> anyhow::Result<LoadConnection> {
    let options = LoadDevice::numbered(0).options(&["operator.admin", "operator.read"]);
    let options = if tool_events { options.caps(&["tool-events"]) } else { options };
    Ok(LoadConnection::connected(server.port(), &options).await?.0)
}

async fn say(client: &mut LoadConnection, session: &str, message: &str) -> anyhow::Result<()> {
    let key = uuid::Uuid::new_v4().to_string();
    client
        .send("chat.send", &json!({ "sessionKey": session, "message": message, "idempotencyKey": key }))
        .await?;
    Ok(())
}

async fn quiet(client: &mut LoadConnection) -> anyhow::Result<()> {
    loop {
        match timeout(QUIET, client.next()).await {
            Ok(frame) => {
                frame?;
            }
            Err(_) => return Ok(()),
        }
    }
}

pub(super) async fn spawn(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let server = Server::tidegate(setting, Processors::All, 1).await?;
    let mut client = operator(&server, true).await?;
    let state = server.state()?;
    let bare = BareStore::open(&state.with_file_name("bare.sqlite"))?;
    let (mut ours, mut transactions) = (Vec::new(), Vec::new());
    for number in 0..SPAWNS {
        say(&mut client, &format!("agent:main:spawn-{number}"), "/spawn one: say hello").await?;
        ours.push(spawn_milliseconds(&mut client).await?);
        quiet(&mut client).await?;
        transactions.push(bare.transaction()?);
    }
    let (least, most) = spread(&ours);
    let (bare_least, bare_most) = spread(&transactions);
    let note = format!(
        "median of {SPAWNS} each: {:.2} ms ({least:.2} - {most:.2}) from the call of `sessions_spawn` to its result, \
         through the whole path, as a client sees it; a bare transaction of one row {:.2} ms ({bare_least:.2} - \
         {bare_most:.2}).",
        median(&ours),
        median(&transactions),
    );
    let ratio = median(&ours) / median(&transactions);
    Ok(vec![Row::new("spawn acknowledged", ratio, "x bare").limits(3.0, 1.5).note(note)])
}

/// From the event of the call to that of its result.
async fn spawn_milliseconds(client: &mut LoadConnection) -> anyhow::Result<f64> {
    let mut started = None;
    loop {
        let frame = client.next().await?;
        let (payload, data) = (&frame["payload"], &frame["payload"]["data"]);
        if frame["ok"] == false {
            anyhow::bail!("the message was refused: {frame}");
        }
        if payload["stream"] != "tool" || data["name"] != "sessions_spawn" {
            continue;
        }
        match data["phase"].as_str() {
            Some("start") => started = Some(Instant::now()),
            Some("result") => {
                anyhow::ensure!(data["isError"] == false, "the spawn failed: {data}");
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

pub(super) async fn fifty(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let config = json!({ "agents": { "defaults": { "subagents": {
        "maxChildrenPerAgent": CHILDREN, "maxDescendants": CHILDREN,
    } } } });
    let server = Server::tidegate_with(setting, Processors::All, 1, &config).await?;
    let mut client = operator(&server, false).await?;
    let message: String = (0..CHILDREN).map(|number| format!("/spawn child-{number}: say hello\n")).collect();
    let sessions: Vec<String> = (0..ROUNDS).map(|round| format!("agent:main:parent-{round}")).collect();
    let (mut sample, mut processor) = (Vec::new(), Vec::new());
    for session in &sessions {
        let (since, before) = (Instant::now(), server.processor_seconds()?);
        say(&mut client, session, &message).await?;
        children_ended(&mut client, session).await?;
        sample.push(since.elapsed().as_secs_f64());
        quiet(&mut client).await?;
        processor.push((server.processor_seconds()? - before) * 1e3);
    }
    let stopped = server.stop().await?.context("no state directory")?;
    let store = Connection::open(stopped.path().join("state").join(tidegate_store::FILE_NAME))?;
    for session in &sessions {
        let results: i64 =
            store.query_row("SELECT count(*) FROM inbox WHERE session = ?1", [session], |row| row.get(0))?;
        anyhow::ensure!(
            usize::try_from(results) == Ok(CHILDREN),
            "{results} of {CHILDREN} results are in the inbox of {session}"
        );
    }
    let note = format!(
        "median of {ROUNDS} rounds, from the message to the event of the last child's end, which is sent after the \
         commit that holds its inbox row; the rows are counted afterwards. Eight children work at a time (the \
         default). {:.0} ms of processor time a round, with the parent's answers.",
        median(&processor)
    );
    Ok(vec![Row::sample("50 subagents in the parent's inbox", &sample, "s").limits(1.0, 0.3).note(note)])
}

/// Waits until all children of a session ended well.
async fn children_ended(client: &mut LoadConnection, parent: &str) -> anyhow::Result<()> {
    let mut ended = HashSet::new();
    while ended.len() < CHILDREN {
        let frame =
            client.next().await.with_context(|| format!("{} of {CHILDREN} children ended", ended.len()))?;
        if frame["ok"] == false {
            anyhow::bail!("the message was refused: {frame}");
        }
        let payload = &frame["payload"];
        if payload["stream"] == "lifecycle" && payload["spawnedBy"] == parent {
            match payload["data"]["phase"].as_str() {
                Some("end") => ended.extend(payload["runId"].as_str().map(str::to_owned)),
                Some("error") => anyhow::bail!("a child failed: {}", Value::to_string(&payload["data"])),
                _ => {}
            }
        }
    }
    Ok(())
}
