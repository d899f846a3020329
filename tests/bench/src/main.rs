//! Measures Tidegate against its budgets and says which are met. See `tests/bench/run`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the tables are what this program is for")]

mod crowd;
mod figures;
mod machine;
mod ordinary_user;
mod report;
mod server;
mod setting;
mod state;
mod statistics;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use figures::Figure;
use report::Report;
use setting::Setting;

#[derive(Parser)]
#[command(name = "tidegate-bench", about = "Measure Tidegate against its budgets")]
struct Arguments {
    /// The program that is measured
    #[arg(long, required = true)]
    tidegate: Option<PathBuf>,
    /// The bare server that it is compared to
    #[arg(long, required = true)]
    bare_server: Option<PathBuf>,
    /// Measure the slow figures for as long as the budgets say (20 minutes instead of 5)
    #[arg(long)]
    full: bool,
    /// Write docs/performance.md
    #[arg(long)]
    write: bool,
    /// Only this figure; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Figure>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program does in processes of its own.
#[derive(Subcommand)]
#[command(subcommand_negates_reqs = true)]
enum Part {
    /// Offer hostile sockets
    #[command(hide = true)]
    Crowd(crowd::Arguments),
    /// Start a host in this process and tell how its own client got in
    #[command(hide = true)]
    OwnClient(figures::own_client::Arguments),
    /// Run commands and tell how long they took
    #[command(hide = true)]
    CommandTimes(figures::commands::Arguments),
    /// Start a host in this process and tell how long spawns took
    #[command(hide = true)]
    SpawnTimes(figures::spawn::Arguments),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.part {
        Some(Part::Crowd(crowd)) => runtime.block_on(crowd::run(crowd)),
        Some(Part::OwnClient(own)) => runtime.block_on(figures::own_client::run_once(own)),
        Some(Part::CommandTimes(commands)) => runtime.block_on(figures::commands::run_once(commands)),
        Some(Part::SpawnTimes(spawn)) => runtime.block_on(figures::spawn::run_once(spawn)),
        None => {
            let setting = Setting {
                tidegate: arguments.tidegate.context("--tidegate is missing")?,
                bare_server: arguments.bare_server.context("--bare-server is missing")?,
                full: arguments.full,
            };
            let only = arguments.only;
            let report = runtime.block_on(measure(&setting, &only))?;
            println!("\n{}", report.table());
            if arguments.write {
                let path = report.write(&setting)?;
                println!("written: {}", path.display());
            }
            anyhow::ensure!(!report.has_failures(), "some figures could not be measured");
            Ok(())
        }
    }
}

/// Measures one figure after the other. One that cannot be measured does not hide the others.
async fn measure(setting: &Setting, only: &[Figure]) -> anyhow::Result<Report> {
    let mut report = Report::new()?;
    for figure in Figure::ALL {
        if !only.is_empty() && !only.contains(&figure) {
            continue;
        }
        let foreign = machine::settle().await?;
        eprintln!("measuring {} (processors {:.0}% busy with other things)", figure.name(), foreign * 100.0);
        match figure.measure(setting).await {
            Ok(rows) => report.add(rows, foreign),
            Err(error) => {
                eprintln!("  {} could not be measured: {error:#}", figure.name());
                report.failed(figure, &error);
            }
        }
    }
    Ok(report)
}
