//! A private directory for what lives as long as this process: pictures of the tray icon, and what
//! the browser engine wants to keep.

use std::path::PathBuf;

/// A part of the directory. It is not shared with another Tidegate of this user, and not made here.
/// `None` where the libraries' own choice is as good.
#[cfg(target_os = "linux")]
pub(crate) fn of(part: &str) -> Option<PathBuf> {
    Some(root().join(part))
}

/// Nothing is needed on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn of(_part: &str) -> Option<PathBuf> {
    None
}

/// Makes the directory, for this user alone.
///
/// # Errors
/// When it cannot be made. The libraries make their parts themselves then, or do without.
#[cfg(target_os = "linux")]
pub(crate) fn make() -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(root())
}

/// Nothing to make on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn make() -> std::io::Result<()> {
    Ok(())
}

/// Removes the directory of this process.
pub(crate) fn remove() {
    #[cfg(target_os = "linux")]
    {
        // Nothing depends on it, and it lies where the system clears up at log-out.
        let _ = std::fs::remove_dir_all(root());
    }
}

#[cfg(target_os = "linux")]
fn root() -> PathBuf {
    gtk::glib::user_runtime_dir().join("tidegate").join(format!("desktop-{}", std::process::id()))
}
