//! From exec to the first `hello-ok`.

use crate::report::Row;
use crate::server::{Processors, Server};
use crate::setting::Setting;

const STARTS: usize = 10;

pub(super) async fn first_hello(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    // Leaves what only the very first start writes.
    let first = Server::tidegate(setting, Processors::All, 10).await?;
    let mut state = first.stop().await?;
    let mut sample = Vec::new();
    for _ in 0..STARTS {
        let directory = state.take().ok_or_else(|| anyhow::anyhow!("no state directory"))?;
        let server = Server::start_tidegate(setting, Processors::All, directory)?;
        let connection = server.first_connection().await?;
        sample.push(server.started().elapsed().as_secs_f64() * 1e3);
        connection.close().await;
        state = server.stop().await?;
    }
    let note = format!("median of {STARTS} starts on an existing store, with `taskset` in the time.");
    Ok(vec![Row::sample("exec to first hello-ok", &sample, "ms").limits(200.0, 60.0).note(note)])
}
