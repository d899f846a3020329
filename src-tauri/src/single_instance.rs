//! A second launch raises the first. What it was started with plays no part: programs of the session
//! can say the same to the first one.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tauri::plugin::TauriPlugin;
use tidegate_desktop_core::shell::Input;

use crate::inputs::Inputs;

/// The first launch with this state directory listens; a later one tells it, and ends with 0. With
/// another state directory it is another Tidegate. Without a session bus nobody is notified, and the lock
/// of the state directory keeps the second from running.
pub(crate) fn plugin(state_dir: Option<&Path>, inputs: Inputs) -> TauriPlugin<tauri::Wry> {
    tauri_plugin_single_instance::Builder::new()
        .dbus_id(bus_name(state_dir))
        .callback(move |_, _arguments, _directory| inputs.click(Input::SecondLaunch))
        .build()
}

/// The name on the session bus.
fn bus_name(state_dir: Option<&Path>) -> String {
    let path = state_dir.map(real_path).unwrap_or_default();
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    // An element of a bus name does not begin with a digit.
    format!("dev.tidegate.desktop.s{}", hex::encode(&digest[..8]))
}

/// The path without links. At the very first launch the directory is not there yet, and what is above
/// it has to do.
fn real_path(path: &Path) -> PathBuf {
    let real = |above: &Path| std::fs::canonicalize(above).ok().zip(path.strip_prefix(above).ok());
    let found = path.ancestors().find_map(real);
    // An empty remainder would add a slash.
    found.map_or_else(
        || path.to_owned(),
        |(above, rest)| above.components().chain(rest.components()).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_directory_has_one_name_however_it_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("one"), directory.path().join("other"));
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path(), &link).unwrap();
        let before = bus_name(Some(&link.join("one")));
        std::fs::create_dir_all(&one).unwrap();

        assert_eq!(bus_name(Some(&one)), before);
        assert_eq!(bus_name(Some(&one)), bus_name(Some(&link.join("one"))));
        assert_ne!(bus_name(Some(&one)), bus_name(Some(&other)));
        assert!(bus_name(None).starts_with("dev.tidegate.desktop.s"));
    }
}
