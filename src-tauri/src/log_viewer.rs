//! Opens the log in whatever the person reads text with.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::display::GDK_GL;

/// An opener that has not failed after so long has found a viewer.
const PATIENCE: Duration = Duration::from_secs(3);

/// No program opened it.
#[derive(Debug, thiserror::Error)]
#[error("The log is at {0}.")]
pub(crate) struct NotOpened(String);

/// Opens a file with the system's opener.
///
/// # Errors
/// When none of them works.
pub(crate) async fn open(file: &Path) -> Result<(), NotOpened> {
    for opener in open::commands(file) {
        let mut opener = Command::from(opener);
        opener.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).env_remove(GDK_GL);
        let Ok(mut child) = opener.spawn() else { continue };
        match tokio::time::timeout(PATIENCE, child.wait()).await {
            Ok(Ok(status)) if !status.success() => {}
            // Some openers last as long as the viewer does.
            Ok(_) | Err(_) => return Ok(()),
        }
    }
    Err(NotOpened(file.display().to_string()))
}
