//! What makes the process fit to start tools.

/// Makes the process one that its tools cannot read, and that inherits what they leave behind.
pub(crate) fn prepare() {
    // The log is not open yet; a system that refuses these has no tool isolation to speak of, and
    // `tidegate doctor` says so.
    let _ = tidegate_tools::shield_process();
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Waits until the system asks the process to end.
#[cfg(unix)]
pub(crate) async fn told_to_end() {
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
pub(crate) async fn told_to_end() {
    // The only signal there is.
    let _ = tokio::signal::ctrl_c().await;
}
