//! Serving until told to stop.

use crate::boot::offer;
use crate::options::ServeOptions;
use crate::process;
use crate::supervise::{SupervisedState, supervise};

/// Why serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    Signal,
    /// `tidegate stop`.
    Requested,
}

/// Why serving failed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The asynchronous runtime could not be started.
    #[error("the runtime could not be started: {0}")]
    Runtime(std::io::Error),
    /// The gateway failed for good; the sentence says why.
    #[error("{0}")]
    Failed(String),
}

/// How many tasks run before sockets are looked at again: fewer than tokio's 61, so that strangers
/// in a crowd keep a client waiting for a few of their turns and not for all.
const TASKS_BETWEEN_LOOKS: u32 = 11;

/// Serves until a signal or a request to stop. What fails is started again. Blocks.
///
/// # Errors
/// When the gateway fails for good.
pub fn serve(options: ServeOptions) -> Result<ExitReason, ServeError> {
    let prepared = process::prepare();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(TASKS_BETWEEN_LOOKS)
        .build()
        .map_err(ServeError::Runtime)?;
    let reason = runtime.block_on(async {
        // Listened for before anything is announced: a program that hears that Tidegate is ready may end it.
        let mut signal = std::pin::pin!(process::told_to_end());
        let supervised = supervise(options);
        prepared.log();
        let mut states = supervised.states();
        let is_over = |state: &SupervisedState| {
            matches!(state, SupervisedState::Failed { .. } | SupervisedState::Stopped)
        };
        let reason = tokio::select! {
            biased;
            () = &mut signal => Ok(ExitReason::Signal),
            state = states.wait_for(is_over) => match state.as_deref() {
                Ok(SupervisedState::Failed { reason }) => {
                    Err(ServeError::Failed(format!("{reason}{}", offer(supervised.free_port()))))
                }
                _ => Ok(ExitReason::Requested),
            },
        };
        supervised.stop().await;
        reason
    });
    // What still runs, such as a call that hangs in the keyring, must not keep the process.
    runtime.shutdown_background();
    reason
}
