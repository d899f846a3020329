//! What doing nothing costs.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::report::Row;
use crate::server::{Processors, Server};
use crate::setting::Setting;

/// What a start leaves to do is done by then.
const SETTLE: Duration = Duration::from_secs(10);

pub(super) async fn doing_nothing(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let lasts = Duration::from_secs(if setting.full { 600 } else { 60 });
    let server = Server::tidegate(setting, Processors::All, 1).await?;
    let mut connection = server.first_connection().await?;
    // Answers pings, as a client does that has nothing to do.
    let client = tokio::spawn(async move { connection.until_closed().await });
    sleep(SETTLE).await;
    let (processor, written, since) = (server.processor_seconds()?, server.written_bytes(), Instant::now());
    sleep(lasts).await;
    let percent = (server.processor_seconds()? - processor) / since.elapsed().as_secs_f64() * 100.0;
    anyhow::ensure!(!client.is_finished(), "the idle connection was closed");
    let seconds = lasts.as_secs();
    let mut rows = vec![
        Row::new(format!("idle processor time, {seconds} s"), percent, "% of one")
            .limits(0.1, None)
            .note("one client is connected and says nothing; a step is 10 ms of processor time."),
    ];
    match (written, server.written_bytes()) {
        (Ok(before), Ok(after)) => {
            let bytes = f64::from(u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX));
            rows.push(Row::new(format!("idle disk writes, {seconds} s"), bytes, "bytes").limits(0.0, None));
        }
        (Err(error), _) | (_, Err(error)) => {
            rows[0].note = format!("{} Disk writes are not measured: {error:#}.", rows[0].note);
        }
    }
    Ok(rows)
}
