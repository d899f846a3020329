//! From a revocation to closed sockets.

use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_testkit::load::{LoadConnection, LoadDevice, connect_all};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::report::Row;
use crate::server::{Processors, Server};
use crate::setting::Setting;
use crate::statistics::percentile;

const ROUNDS: u64 = 5;
const SOCKETS: usize = 500;
const AT_ONCE: usize = 8;
/// Between two messages of the socket that streams.
const BETWEEN_TURNS: Duration = Duration::from_millis(50);
/// The streaming is under way by then.
const BUILD_UP: Duration = Duration::from_millis(500);
/// Frames that the socket that streams must have got by the end.
const LEAST_FRAMES: u64 = 30;

/// What the sockets that do not stream may see.
#[derive(Clone, Copy)]
enum Others {
    /// Nothing of the run.
    Idle,
    /// Each of its events.
    ReadAlong,
}

impl Others {
    fn scope(self) -> &'static str {
        match self {
            Self::Idle => "operator.pairing",
            Self::ReadAlong => "operator.read",
        }
    }
}

pub(super) async fn sockets_closed(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let note = format!(
        "p99 of {SOCKETS} sockets of one device, median of {ROUNDS} devices, from sending `device.pair.remove` to \
         reading the close frame. One socket streams the events of a run that answers every {} ms.",
        BETWEEN_TURNS.as_millis()
    );
    let (idle, reading) = (rounds(setting, Others::Idle).await?, rounds(setting, Others::ReadAlong).await?);
    Ok(vec![
        Row::sample("revoke to socket closed, p99", &idle, "ms").limits(100.0, 10.0).note(note),
        Row::sample("the same while all sockets read the stream", &reading, "ms")
            .note("for information; each event of the run goes to all 500 then."),
    ])
}

async fn rounds(setting: &Setting, others: Others) -> anyhow::Result<Vec<f64>> {
    let server = Server::tidegate(setting, Processors::All, ROUNDS + 1).await?;
    let administrator = LoadDevice::numbered(0).options(&["operator.admin", "operator.pairing"]);
    let (mut administrator, _) = LoadConnection::connected(server.port(), &administrator).await?;
    let mut rounds = Vec::new();
    for number in 1..=ROUNDS {
        let round = revoke(&server, &mut administrator, &LoadDevice::numbered(number), others).await?;
        rounds.push(percentile(&round, 99));
    }
    Ok(rounds)
}

/// Milliseconds until each socket was closed.
async fn revoke(
    server: &Server,
    administrator: &mut LoadConnection,
    device: &LoadDevice,
    others: Others,
) -> anyhow::Result<Vec<f64>> {
    let streaming = device.options(&["operator.admin", "operator.read"]);
    let (streaming, _) = LoadConnection::connected(server.port(), &streaming).await?;
    let others = vec![device.options(&[others.scope()]); SOCKETS - 1];
    let connections = connect_all(server.port(), others, AT_ONCE).await?;
    let closing: Vec<JoinHandle<Instant>> = connections
        .into_iter()
        .map(|mut connection| {
            tokio::spawn(async move {
                connection.until_closed().await;
                Instant::now()
            })
        })
        .collect();
    let streaming = tokio::spawn(stream(streaming));
    sleep(BUILD_UP).await;
    let still_open = closing.iter().all(|socket| !socket.is_finished()) && !streaming.is_finished();
    anyhow::ensure!(still_open, "a socket was closed too early");
    let since = Instant::now();
    administrator.request("device.pair.remove", &json!({ "deviceId": device.identity.device_id() })).await?;
    let mut sample = Vec::new();
    for socket in closing {
        sample.push((socket.await? - since).as_secs_f64() * 1e3);
    }
    let (closed, frames) = streaming.await?;
    anyhow::ensure!(frames >= LEAST_FRAMES, "only {frames} frames were streamed");
    sample.push((closed - since).as_secs_f64() * 1e3);
    Ok(sample)
}

/// Lets a run answer again and again, until the connection is closed; when that was, and how many
/// frames came.
async fn stream(mut connection: LoadConnection) -> (Instant, u64) {
    let mut frames = 0;
    let mut turn = tokio::time::interval(BETWEEN_TURNS);
    let message = "words ".repeat(60);
    loop {
        tokio::select! {
            _ = turn.tick() => {
                let key = uuid::Uuid::new_v4().to_string();
                let params = json!({ "sessionKey": "agent:main:stream", "message": message, "idempotencyKey": key });
                if connection.send("chat.send", &params).await.is_err() {
                    return (Instant::now(), frames);
                }
            }
            frame = connection.next() => match frame {
                Ok(_) => frames += 1,
                Err(_) => return (Instant::now(), frames),
            },
        }
    }
}
