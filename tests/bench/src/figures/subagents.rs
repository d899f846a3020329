//! Fifty subagents with the built-in model, which answers at once.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::Connection;
use serde_json::{Value, json};
use tidegate_testkit::load::{LoadConnection, LoadDevice};
use tokio::time::timeout;

use crate::report::Row;
use crate::server::{Processors, Server};
use crate::setting::Setting;
use crate::statistics::median;

const CHILDREN: usize = 50;
const ROUNDS: usize = 5;
/// After so long without an event everything that a run started is over.
const QUIET: Duration = Duration::from_millis(300);

async fn say(client: &mut LoadConnection, session: &str, message: &str) -> anyhow::Result<()> {
    let key = uuid::Uuid::new_v4().to_string();
    client
        .send("chat.send", &json!({ "sessionKey": session, "message": message, "idempotencyKey": key }))
        .await?;
    Ok(())
}

async fn quiet(client: &mut LoadConnection) -> anyhow::Result<()> {
    while let Ok(frame) = timeout(QUIET, client.next()).await {
        frame?;
    }
    Ok(())
}

pub(super) async fn fifty(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let config = json!({ "agents": { "defaults": { "subagents": {
        "maxChildrenPerAgent": CHILDREN, "maxDescendants": CHILDREN,
    } } } });
    let server = Server::tidegate_with(setting, Processors::All, 1, &config).await?;
    let options = LoadDevice::numbered(0).options(&["operator.admin", "operator.read"]);
    let (mut client, _) = LoadConnection::connected(server.port(), &options).await?;
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
