//! Whether the desktop shows tray icons, and the library that draws them.

use tidegate_desktop_core::shell::{Input, Surface};

use crate::inputs::Inputs;

/// The library that draws tray icons is not installed.
#[cfg(target_os = "linux")]
#[derive(Debug, thiserror::Error)]
#[error(
    "There is no tray icon, because the library {} is missing (Debian: apt-get install libayatana-appindicator3-1).",
    LIBRARIES[0]
)]
pub(crate) struct NoTrayLibrary;

/// What `libappindicator-sys` loads, in its order.
#[cfg(target_os = "linux")]
const LIBRARIES: [&str; 2] = ["libayatana-appindicator3.so.1", "libappindicator3.so.1"];

/// Looks for the library that draws tray icons. Without it, building a tray panics.
#[cfg(target_os = "linux")]
pub(crate) fn find_library() -> Result<(), NoTrayLibrary> {
    match LIBRARIES.iter().find_map(|name| dlopen2::raw::Library::open(name).ok()) {
        Some(library) => {
            // Loaded again in a moment; libraries of this kind are not made to be unloaded.
            std::mem::forget(library);
            Ok(())
        }
        None => Err(NoTrayLibrary),
    }
}

/// Tells whether the desktop shows tray icons, now and whenever that changes. The icon itself
/// appears by itself when somebody begins to show icons. On the main thread.
#[cfg(target_os = "linux")]
pub(crate) fn watch(inputs: &Inputs) {
    use crate::session_bus;

    const WATCHER: &str = "org.kde.StatusNotifierWatcher";
    let inputs = inputs.clone();
    session_bus::connect(gtk::gio::BusType::Session, move |connection| {
        let Some(connection) = connection else {
            let reason = "There is no session bus, and so no tray.";
            inputs.tell(Input::TrayHost(Surface::Missing(reason.to_owned())));
            return;
        };
        session_bus::watch_owner(&connection, WATCHER, "/StatusNotifierWatcher", move |is_there| {
            inputs.tell(Input::TrayHost(match is_there {
                true => Surface::Works,
                false => Surface::Missing(NO_HOST.to_owned()),
            }));
        });
    });
}

/// What a person reads when nobody shows icons.
#[cfg(target_os = "linux")]
const NO_HOST: &str = "Your desktop shows no tray icons. On GNOME, install the AppIndicator extension.";

/// Tells whether the desktop shows tray icons: always on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn watch(inputs: &Inputs) {
    inputs.tell(Input::TrayHost(Surface::Works));
}
