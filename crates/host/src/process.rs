//! What makes the process fit to start tools.

/// What the system refused when the process was prepared, each as an error and what follows from it.
#[derive(Debug)]
#[must_use = "it is logged once the log is open"]
pub struct Prepared(Vec<(std::io::Error, &'static str)>);

impl Prepared {
    /// Writes it to the log.
    pub fn log(self) {
        for (error, effect) in self.0 {
            tracing::warn!(%error, "{effect}");
        }
    }
}

/// Makes the process one that its tools cannot read, and that inherits what they leave behind. To be
/// called at the start of the process; the log may not be open yet.
pub fn prepare() -> Prepared {
    let steps = [
        (
            tidegate_transport::descriptors::raise_limit(),
            "the limit of open files could not be raised, so fewer connections are accepted",
        ),
        (contain_tools(), "process hardening failed: agent commands may inspect or outlive this process"),
    ];
    Prepared(steps.into_iter().filter_map(|(step, effect)| Some((step.err()?, effect))).collect())
}

fn contain_tools() -> std::io::Result<()> {
    tidegate_tools::shield_process()?;
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Waits until the system asks the process to end.
#[cfg(unix)]
pub async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut hangup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
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

/// Waits until the system asks the process to end.
#[cfg(not(unix))]
pub async fn told_to_end() {
    // The only signal there is.
    let _ = tokio::signal::ctrl_c().await;
}
