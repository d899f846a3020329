//! Serving until told to stop.

use std::path::PathBuf;

use tidegate_trust::token::Token;

use crate::boot::{BootError, ServeOptions, start};
use crate::process;

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
    if let Err(error) = process::prepare() {
        tracing::warn!(%error, "the process could not be made fit to start tools");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(BootError::Runtime)?;
    let reason = runtime.block_on(async {
        // Listened for before anything is announced: whoever hears that Tidegate is ready may end it.
        let mut signal = std::pin::pin!(process::told_to_end());
        let host = tokio::select! {
            biased;
            () = &mut signal => return Ok(ExitReason::Signal),
            host = start(options) => host?,
        };
        let reason = tokio::select! {
            () = &mut signal => ExitReason::Signal,
            () = host.stop_requested() => ExitReason::Requested,
        };
        host.stop().await;
        Ok(reason)
    });
    // What still runs, such as a call that hangs in the keyring, must not keep the process.
    runtime.shutdown_background();
    reason
}
