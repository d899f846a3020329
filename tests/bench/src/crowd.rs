//! The hostile crowd, in a process of its own so that it does not slow the honest clients' clocks.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tidegate_testkit::load::HostileCrowd;

/// What the process is measured.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    sockets: u64,
    #[arg(long)]
    seconds: u64,
}

/// How long after its end a hostile socket is renewed.
pub(crate) const RENEW_AFTER: Duration = Duration::from_millis(250);

/// Offers sockets and prints how many, and how many were let in.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { port, sockets, seconds } = arguments;
    let crowd = HostileCrowd { port, sockets, renew_after: RENEW_AFTER, lasts: Duration::from_secs(seconds) };
    let report = crowd.run().await;
    println!("{} {}", report.offered, report.admitted);
    Ok(())
}

/// Starts the process, last in line for the processor: how long an honest client waits for it there
/// says nothing about the server.
pub(crate) fn start(port: u16, sockets: u64, seconds: u64) -> anyhow::Result<Child> {
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(std::env::current_exe()?);
    command.arg("crowd").args(["--port", &port.to_string()]);
    command.args(["--sockets", &sockets.to_string(), "--seconds", &seconds.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().context("the hostile crowd could not be started")
}

/// Waits for the process and gives the sockets that it offered; none may have been let in.
pub(crate) async fn end(crowd: Child) -> anyhow::Result<u64> {
    let output = tokio::task::spawn_blocking(move || crowd.wait_with_output()).await??;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let [offered, admitted] = numbers[..] else { anyhow::bail!("the hostile crowd failed: {text}") };
    anyhow::ensure!(admitted == 0, "{admitted} hostile sockets were let in");
    Ok(offered)
}
