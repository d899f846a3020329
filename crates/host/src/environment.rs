//! Environment variables: read here and nowhere else.

use std::ffi::OsString;
use std::path::PathBuf;

/// One variable, when it is set, not empty, and Unicode.
#[must_use]
pub fn lookup(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A directory that a variable names. The XDG base directory specification wants an absolute path, and
/// has others ignored.
#[must_use]
pub fn absolute(name: &str) -> Option<PathBuf> {
    lookup(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// All variables, for what tools inherit.
pub fn all() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// The shared token from outside. `TIDEGATE_TOKEN` comes first, then OpenClaw's name for it.
#[must_use]
pub fn shared_token() -> Option<String> {
    lookup("TIDEGATE_TOKEN").or_else(|| lookup("OPENCLAW_GATEWAY_TOKEN"))
}

/// The person's home directory.
#[must_use]
pub fn home() -> Option<PathBuf> {
    lookup("HOME").or_else(|| lookup("USERPROFILE")).map(PathBuf::from)
}

/// A path of the person's, in which `~` at the beginning stands for their home directory. A shell does that only
/// where it stands alone, and not in `--state-dir=~/x` or a variable.
#[must_use]
pub fn below_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), home()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

/// The directories in which the person's programs are found.
#[must_use]
pub fn search_path() -> Vec<PathBuf> {
    let listed = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&listed).filter(|directory| directory.is_absolute()).collect()
}

/// Where Tidegate keeps its state when nobody says otherwise.
#[must_use]
pub fn default_state_dir() -> Option<PathBuf> {
    if let Some(explicit) = lookup("TIDEGATE_STATE_DIR") {
        return Some(PathBuf::from(explicit));
    }
    let data = absolute("XDG_DATA_HOME");
    data.or_else(|| home().map(|home| home.join(".local").join("share"))).map(|data| data.join("tidegate"))
}

/// Whether there is a display to show a window on.
#[must_use]
pub fn has_display() -> bool {
    lookup("DISPLAY").is_some() || lookup("WAYLAND_DISPLAY").is_some()
}
