//! Memory at rest, and what each connection adds.

use std::time::Duration;

use serde_json::json;
use tidegate_testkit::bare_server::ReplySizes;
use tidegate_testkit::load::{LoadConnection, LoadDevice, connect_all};
use tokio::time::sleep;

use crate::report::Row;
use crate::server::{Processors, Server};
use crate::setting::Setting;

/// What is done at last is done by then.
const SETTLE: Duration = Duration::from_secs(2);
/// Handshakes at once: enough to be quick, few enough not to crowd the gate.
const AT_ONCE: usize = 8;

pub(super) async fn idle(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let server = Server::tidegate(setting, Processors::All, 1).await?;
    let mut connection = server.first_connection().await?;
    for _ in 0..250 {
        connection.health().await?;
        connection.health().await?;
        connection.request("status", &json!({})).await?;
        connection.request("sessions.list", &json!({})).await?;
    }
    connection.close().await;
    sleep(SETTLE).await;
    let ours = server.memory_bytes()? / 1e6;
    drop(server);
    let bare = Server::bare(setting, Processors::All, ReplySizes { hello: 4096, health: 512 }).await?;
    let mut connection = bare.first_connection().await?;
    for _ in 0..1000 {
        connection.health().await?;
    }
    connection.close().await;
    let note = format!(
        "`health`, `status` and `sessions.list`; the bare server has {:.1} MB.",
        bare.memory_bytes()? / 1e6
    );
    Ok(vec![Row::new("idle memory after 1,000 requests", ours, "MB").limits(20.0, 10.0).note(note)])
}

pub(super) async fn per_connection(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let server = Server::tidegate(setting, Processors::All, MOST).await?;
    let ours = slope(&server).await?;
    drop(server);
    let bare = Server::bare(setting, Processors::All, ReplySizes { hello: 4096, health: 512 }).await?;
    let theirs = slope(&bare).await?;
    let note = format!(
        "from 1,000 to 3,000 connections of as many devices; the bare server, whose decoder keeps its buffers, has \
         {theirs:.1} KB. Buffers of the sockets in the kernel are in neither."
    );
    Ok(vec![Row::new("memory per idle connection", ours, "KB").limits(20.0, 10.0).note(note)])
}

const FEW: u64 = 1000;
const MOST: u64 = 3000;

/// Kilobytes that each connection between the first thousand and the third adds.
async fn slope(server: &Server) -> anyhow::Result<f64> {
    let mut staying = connect(server, 0..FEW).await?;
    sleep(SETTLE).await;
    let few = server.memory_bytes()?;
    staying.extend(connect(server, FEW..MOST).await?);
    sleep(SETTLE).await;
    let many = server.memory_bytes()?;
    let closed = staying.iter().filter(|client| client.is_finished()).count();
    anyhow::ensure!(closed == 0, "{closed} connections were closed");
    Ok((many - few) / f64::from(u32::try_from(MOST - FEW)?) / 1e3)
}

/// Connections that stay and answer pings.
async fn connect(
    server: &Server,
    devices: std::ops::Range<u64>,
) -> anyhow::Result<Vec<tokio::task::JoinHandle<()>>> {
    let options = devices.map(|number| LoadDevice::numbered(number).options(&["operator.read"])).collect();
    let connections: Vec<LoadConnection> = connect_all(server.port(), options, AT_ONCE).await?;
    let stay = |mut connection: LoadConnection| tokio::spawn(async move { connection.until_closed().await });
    Ok(connections.into_iter().map(stay).collect())
}
