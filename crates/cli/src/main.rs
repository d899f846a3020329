//! `tidegate`: the gateway without a desktop, and the command line for the one that runs.

mod local_socket;
mod serve;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use jiff::tz::TimeZone;
use tidegate_cli::output::Output;
use tidegate_cli::person::Terminal;
use tidegate_cli::{Arguments, Command, ControlCommand, Failure, Surroundings, report, run};
use tidegate_protocol::UnixMillis;
use tokio::sync::Notify;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(problem) => {
            // Nothing is left to do when nobody reads the help any more.
            let _ = problem.print();
            return ExitCode::from(u8::try_from(problem.exit_code()).unwrap_or(2));
        }
    };
    let mut surroundings = Surroundings {
        output: Output::standard(),
        person: Arc::new(Terminal),
        clock: wall_clock,
        zone: TimeZone::system,
        interrupt: Arc::new(Notify::new()),
        json: arguments.json,
        state_dir: arguments.state_dir,
    };
    let result = match arguments.command {
        Command::RunTool { .. } => return run_tool(),
        Command::Serve(arguments) => serve::serve(arguments, &surroundings),
        Command::Version => version(&mut surroundings),
        Command::Control(command) => control(&command, &mut surroundings),
    };
    ExitCode::from(report(result, &mut surroundings.output))
}

fn version(surroundings: &mut Surroundings) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    match surroundings.json {
        true => surroundings.output.json(&serde_json::json!({ "version": version }))?,
        false => surroundings.output.text(&format!("tidegate {version}"))?,
    }
    Ok(())
}

/// One thread is enough to ask, and starts fastest.
fn control(command: &ControlCommand, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::Failed(format!("the command could not start: {error}")))?;
    runtime.block_on(async {
        if let ControlCommand::Agent(_) = command {
            tokio::spawn(pass_on_interrupts(surroundings.interrupt.clone()));
        }
        let state_dir = surroundings.state_dir.clone();
        run(command, surroundings, async || local_socket::connect(state_dir).await).await
    })
}

/// Ctrl-C stops the run first, then the command.
async fn pass_on_interrupts(interrupt: Arc<Notify>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        interrupt.notify_one();
    }
}

fn wall_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::default().plus(since)
}

#[cfg(unix)]
fn run_tool() -> ExitCode {
    tidegate_tools::run_tool()
}

#[cfg(not(unix))]
fn run_tool() -> ExitCode {
    ExitCode::FAILURE
}
