//! Serving until told to stop.

use std::path::PathBuf;

use tidegate_trust::token::Token;

use crate::boot::{BootError, RunningHost, ServeOptions, start};

/// What a person should see of a start.
#[derive(Debug, Clone)]
pub enum Announcement {
    /// A shared token was made. It is told this once.
    SharedToken {
        /// The token.
        token: Token,
    },
    /// Runs of the process before were interrupted.
    Interrupted {
        /// How many.
        runs: usize,
    },
    /// The gateway serves.
    Ready {
        /// Its port on this computer.
        port: u16,
        /// Its state directory.
        state_dir: PathBuf,
    },
}

/// Why serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// A signal.
    Signal,
    /// `tidegate stop`.
    Requested,
}

/// Serves until a signal or a request to stop. Blocks.
///
/// # Errors
/// When the start fails.
pub fn serve(options: ServeOptions) -> Result<ExitReason, BootError> {
    prepare_process();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(BootError::Runtime)?;
    let reason = runtime.block_on(async {
        let host = start(options).await?;
        let reason = until_stopped(&host).await;
        host.stop().await;
        Ok(reason)
    });
    // What still runs, such as a call that hangs in the keyring, must not keep the process.
    runtime.shutdown_background();
    reason
}

/// Makes the process one that its tools cannot read, and that inherits what they leave behind.
fn prepare_process() {
    if let Err(error) = tidegate_tools::shield_process() {
        tracing::warn!(%error, "the process could not be shielded from others of the same user");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
        tracing::warn!(%error, "orphans of tools do not come back to Tidegate");
    }
}

async fn until_stopped(host: &RunningHost) -> ExitReason {
    tokio::select! {
        () = signalled() => ExitReason::Signal,
        () = host.stop_requested() => ExitReason::Requested,
    }
}

#[cfg(unix)]
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut hangup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) else {
        // Without these, Control-C still works.
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn signalled() {
    // The only signal there is.
    let _ = tokio::signal::ctrl_c().await;
}
