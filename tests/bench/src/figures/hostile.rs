//! Hostile connects, while a known device wants in and an honest client works.

use std::time::{Duration, Instant};

use tidegate_testkit::load::{LoadConnection, LoadDevice};
use tokio::time::sleep;

use crate::crowd;
use crate::report::Row;
use crate::server::{Processors, Server};
use crate::setting::Setting;
use crate::statistics::{median, percentile};

/// How long the honest client is watched without the crowd.
const CALM: Duration = Duration::from_secs(10);
/// The crowd has built up by then.
const BUILD_UP: Duration = Duration::from_secs(1);
const BETWEEN_REQUESTS: Duration = Duration::from_millis(5);
const BETWEEN_VISITS: Duration = Duration::from_millis(300);
/// How long a device that was turned away waits.
const RETRY: Duration = Duration::from_millis(50);

pub(super) async fn crowd(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let mut rows = measure(setting, 1000).await?;
    for row in &mut rows {
        row.aim = None;
    }
    if setting.full {
        let mut larger = measure(setting, 5000).await?;
        for row in &mut larger {
            row.aim = row.must.take();
        }
        rows.extend(larger);
    }
    Ok(rows)
}

async fn measure(setting: &Setting, sockets: u64) -> anyhow::Result<Vec<Row>> {
    let seconds = if setting.full { 60 } else { 10 };
    // Away from the crowd, which would take its processor time otherwise.
    let server = Server::tidegate(setting, Processors::One, 2).await?;
    let mut honest = server.first_connection().await?;
    let calm = round_trips(&mut honest, CALM).await?;

    let before = server.processor_seconds()?;
    let offering = crowd::start(server.port(), sockets, seconds)?;
    sleep(BUILD_UP).await;
    let lasts = Duration::from_secs(seconds) - BUILD_UP;
    let (crowded, visits) = tokio::join!(round_trips(&mut honest, lasts), visits(server.port(), lasts));
    let (crowded, (visits, refused)) = (crowded?, visits?);
    let offered = crowd::end(offering).await?;
    let busy = (server.processor_seconds()? - before) / f64::from(u32::try_from(seconds)?) * 100.0;

    let ratio = percentile(&crowded, 99) / percentile(&calm, 99);
    let longest = visits.iter().copied().fold(0.0, f64::max);
    let entry_note = format!(
        "the longest of {} entries of a known device from the same address, {refused} tries among them turned away \
         and repeated after {} ms; median {:.1} ms. {offered} sockets were offered in {seconds} s, {sockets} at a \
         time, each renewed {} ms after it ended; the server was busy for {busy:.0}% of its one processor.",
        visits.len(),
        RETRY.as_millis(),
        median(&visits),
        crowd::RENEW_AFTER.as_millis(),
    );
    let trip_note = format!(
        "p99 {:.2} ms, median {:.2} ms; without the crowd {:.2} ms and {:.2} ms. The crowd's process shares a \
         processor with the honest client.",
        percentile(&crowded, 99),
        median(&crowded),
        percentile(&calm, 99),
        median(&calm),
    );
    Ok(vec![
        Row::new(format!("{sockets} hostile sockets: known device let in"), longest, "ms")
            .limits(1000.0, None)
            .note(entry_note),
        Row::new(format!("{sockets} hostile sockets: honest p99"), ratio, "x calm")
            .limits(3.0, None)
            .note(trip_note),
    ])
}

/// Milliseconds of `health` requests, one after the other with pauses.
async fn round_trips(client: &mut LoadConnection, lasts: Duration) -> anyhow::Result<Vec<f64>> {
    let mut sample = Vec::new();
    let ends = Instant::now() + lasts;
    while Instant::now() < ends {
        let since = Instant::now();
        client.health().await?;
        sample.push(since.elapsed().as_secs_f64() * 1e3);
        sleep(BETWEEN_REQUESTS).await;
    }
    Ok(sample)
}

/// Milliseconds until a known device was in, visit by visit, and how often it was turned away.
async fn visits(port: u16, lasts: Duration) -> anyhow::Result<(Vec<f64>, u32)> {
    let options = LoadDevice::numbered(1).options(&["operator.read"]);
    let (mut sample, mut refused) = (Vec::new(), 0);
    let ends = Instant::now() + lasts;
    while Instant::now() < ends {
        let since = Instant::now();
        loop {
            match LoadConnection::connected(port, &options).await {
                Ok((connection, _)) => {
                    sample.push(since.elapsed().as_secs_f64() * 1e3);
                    connection.close().await;
                    break;
                }
                Err(error) => {
                    anyhow::ensure!(since.elapsed() < Duration::from_secs(30), "kept out for 30 s: {error}");
                    refused += 1;
                    sleep(RETRY).await;
                }
            }
        }
        sleep(BETWEEN_VISITS).await;
    }
    Ok((sample, refused))
}
