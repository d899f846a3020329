//! Runs a scripted model server: `scripted-model PORT SCRIPT.json`, or `scripted-model PORT` for the
//! ready script with three subagents. Prints its base URL and runs until it is ended.

use std::io::Write as _;
use std::net::Ipv4Addr;

use anyhow::Context as _;
use tidegate_testkit::model_server::{Script, ScriptedModel};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: scripted-model PORT [SCRIPT.json]";
    let port: u16 = arguments.next().context(usage)?.parse().context("PORT is not a port number")?;
    let script = match arguments.next() {
        None => Script::three_subagents(),
        Some(path) => {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("the script {path:?} cannot be read"))?;
            Script::from_json(&text).with_context(|| format!("{path:?} is not a script"))?
        }
    };
    let server = ScriptedModel::start_on((Ipv4Addr::LOCALHOST, port).into(), script)
        .await
        .with_context(|| format!("port {port} of 127.0.0.1 cannot be used"))?;
    writeln!(std::io::stdout(), "{}", server.base_url())?;
    std::future::pending::<()>().await;
    Ok(())
}
