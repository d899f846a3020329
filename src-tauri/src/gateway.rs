//! The gateway in this process: starting it, telling what it does, and stopping it.

use std::time::Duration;

use tidegate_desktop_core::tray_menu::{HostState, Waiting};
use tidegate_host::{RunningHost, ServeOptions};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::display::Visibility;

/// How long stopping may take in all.
const DRAIN: Duration = Duration::from_secs(3);
/// When the process is ended although the stop above has not: something blocks the runtime.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often we look whether something waits for the person.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a failed start waits for somebody to show it: at login, the shell may be there before
/// the tray is.
const WAIT_FOR_TRAY: Duration = Duration::from_secs(10);

/// Runs the gateway until `quit`, a signal, or `tidegate stop`, and stops it in order.
///
/// # Errors
/// The sentence of a start that failed, when no tray can show it.
pub(crate) async fn run(
    options: ServeOptions,
    states: watch::Sender<HostState>,
    visibility: watch::Receiver<Visibility>,
    quit: CancellationToken,
) -> Result<(), String> {
    tokio::spawn({
        let quit = quit.clone();
        async move {
            tidegate_host::process::told_to_end().await;
            quit.cancel();
        }
    });
    let tool_runner = options.tool_runner.clone();
    let prepared = tidegate_host::process::prepare();
    let started = tokio::select! {
        biased;
        // Nothing is acknowledged to anybody yet, so there is nothing to wait for.
        () = quit.cancelled() => return Ok(()),
        started = tokio::spawn(tidegate_host::start(options)) => started,
    };
    // Only now is the log open.
    tokio::spawn(log_visibility(visibility.clone()));
    if let Err(error) = prepared {
        tracing::warn!(%error, "commands of agents may read this process, or outlive it");
    }
    if !tool_runner.is_file() {
        tracing::error!(
            expected = %tool_runner.display(),
            "agents cannot use tools: the program that runs them is missing; install Tidegate again"
        );
    }
    let host = match started {
        Ok(Ok(host)) => host,
        Ok(Err(error)) => return failed(error.to_string(), &states, visibility, quit).await,
        Err(_) => {
            let sentence = "Tidegate failed while it started, which is a defect; started from a terminal, \
                            `tidegate-desktop` prints what happened";
            return failed(sentence.to_owned(), &states, visibility, quit).await;
        }
    };
    watch_until_stopped(&host, &states, &quit).await;
    states.send_replace(HostState::Stopping);
    end_process_after(PATIENCE);
    if tokio::time::timeout(DRAIN, host.stop()).await.is_err() {
        tracing::warn!(seconds = DRAIN.as_secs(), "stopping took too long and was given up");
    }
    Ok(())
}

/// Shows why there is no gateway until the person quits. Where nobody shows it, an invisible process
/// would be left behind: then it ends.
async fn failed(
    sentence: String,
    states: &watch::Sender<HostState>,
    mut visibility: watch::Receiver<Visibility>,
    quit: CancellationToken,
) -> Result<(), String> {
    tracing::error!(reason = %sentence, "Tidegate did not start");
    states.send_replace(HostState::Failed(sentence.clone()));
    let settled = visibility.wait_for(|seen| matches!(seen, Visibility::Shown | Visibility::NoTray(_)));
    let is_shown = match tokio::time::timeout(WAIT_FOR_TRAY, settled).await {
        Ok(Ok(seen)) => *seen == Visibility::Shown,
        Ok(Err(_)) | Err(_) => false,
    };
    if !is_shown {
        return Err(sentence);
    }
    quit.cancelled().await;
    Ok(())
}

/// Tells what waits for the person, until something asks the gateway to stop.
async fn watch_until_stopped(
    host: &RunningHost,
    states: &watch::Sender<HostState>,
    quit: &CancellationToken,
) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = quit.cancelled() => return,
            () = host.stop_requested() => return,
            _ = looks.tick() => {
                let ready = HostState::Ready { port: host.port(), waiting: waiting(host) };
                states.send_if_modified(|state| {
                    let is_new = *state != ready;
                    *state = ready;
                    is_new
                });
            }
        }
    }
}

fn waiting(host: &RunningHost) -> Waiting {
    let status = host.gateway().status();
    let count = |name: &str| status[name].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    Waiting { requests: count("waitingRequests"), commands: count("waitingCommands") }
}

/// Says in the log whether a person can see the tray.
async fn log_visibility(mut visibility: watch::Receiver<Visibility>) {
    loop {
        match &*visibility.borrow_and_update() {
            Visibility::Unknown => {}
            Visibility::Shown => tracing::info!("the desktop shows the tray icon"),
            Visibility::Hidden => tracing::warn!(
                "the desktop shows no tray icons (GNOME needs the AppIndicator extension); Tidegate runs, and \
                 `tidegate status` shows it"
            ),
            Visibility::NoTray(reason) => tracing::warn!("{reason}; `tidegate status` shows what it does"),
        }
        if visibility.changed().await.is_err() {
            return;
        }
    }
}

/// Ends the process even when its runtime hangs: a person who quits is never left with a process.
fn end_process_after(patience: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(patience);
        std::process::exit(1);
    });
}
