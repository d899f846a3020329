//! What makes the process fit to start tools.

/// Makes the process one that its tools cannot read, and that inherits what they leave behind.
///
/// # Errors
/// When the system refuses.
pub fn prepare() -> std::io::Result<()> {
    // Where the system refuses, the gateway takes fewer connections.
    let _ = tidegate_gateway::descriptors::raise_limit();
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
