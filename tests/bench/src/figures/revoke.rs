//! From a revocation to closed sockets.

use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_testkit::load::{LoadConnection, LoadDevice, connect_all};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::report::Row;
use crate::server::{Processors, Server};
use crate::setting::Setting;
use crate::statistics::{median, percentile};

const ROUNDS: u64 = 5;
const SOCKETS: usize = 500;
const AT_ONCE: usize = 8;
/// Between two messages of the socket that streams.
const BETWEEN_TURNS: Duration = Duration::from_millis(50);
/// The streaming is under way by then.
const BUILD_UP: Duration = Duration::from_millis(500);

pub(super) async fn sockets_closed(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let server = Server::tidegate(setting, Processors::All, ROUNDS + 1).await?;
    let administrator = LoadDevice::numbered(0).options(&["operator.admin", "operator.pairing"]);
    let (mut administrator, _) = LoadConnection::connected(server.port(), &administrator).await?;
    let mut sample = Vec::new();
    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        let round = revoke(&server, &mut administrator, &LoadDevice::numbered(round)).await?;
        rounds.push(percentile(&round, 99));
        sample.extend(round);
    }
    let note = format!(
        "p99 of {SOCKETS} sockets of one device, median of {ROUNDS} devices, from sending `device.pair.remove` to \
         reading the close frame; one socket streams a run's events and the others read along. Median socket {:.1} \
         ms.",
        median(&sample)
    );
    Ok(vec![Row::sample("revoke to socket closed, p99", &rounds, "ms").limits(100.0, 10.0).note(note)])
}

/// Milliseconds until each socket was closed.
async fn revoke(
    server: &Server,
    administrator: &mut LoadConnection,
    device: &LoadDevice,
) -> anyhow::Result<Vec<f64>> {
    let options = device.options(&["operator.admin", "operator.read"]);
    let mut connections = connect_all(server.port(), vec![options; SOCKETS], AT_ONCE).await?;
    let streaming = connections.pop().map(|connection| tokio::spawn(stream(connection)));
    let mut closing: Vec<JoinHandle<Instant>> = connections
        .into_iter()
        .map(|mut connection| {
            tokio::spawn(async move {
                connection.until_closed().await;
                Instant::now()
            })
        })
        .collect();
    closing.extend(streaming);
    sleep(BUILD_UP).await;
    anyhow::ensure!(closing.iter().all(|socket| !socket.is_finished()), "a socket was closed too early");
    let since = Instant::now();
    administrator.request("device.pair.remove", &json!({ "deviceId": device.identity.device_id() })).await?;
    let mut sample = Vec::new();
    for socket in closing {
        sample.push((socket.await? - since).as_secs_f64() * 1e3);
    }
    Ok(sample)
}

/// Lets a run answer again and again, until the connection is closed.
async fn stream(mut connection: LoadConnection) -> Instant {
    let mut turn = tokio::time::interval(BETWEEN_TURNS);
    let message = "words ".repeat(60);
    loop {
        tokio::select! {
            _ = turn.tick() => {
                let key = uuid::Uuid::new_v4().to_string();
                let params = json!({ "sessionKey": "agent:main:stream", "message": message, "idempotencyKey": key });
                if connection.send("chat.send", &params).await.is_err() {
                    return Instant::now();
                }
            }
            frame = connection.next() => if frame.is_err() {
                return Instant::now();
            },
        }
    }
}
