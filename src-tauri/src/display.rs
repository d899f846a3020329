//! What the desktop offers: a display, the library that draws tray icons, and somebody to show them.

use tokio::sync::watch;

/// Whether a person can see the tray.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// The desktop has not answered yet.
    Unknown,
    /// It shows tray icons.
    Shown,
    /// It shows none at the moment. It may begin to: the icon appears then.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "the tray is always there"))]
    Hidden,
    /// There is no tray in this process, and there will be none: the sentence says why.
    NoTray(String),
}

/// Connects to the display.
///
/// # Errors
/// When there is none. Tauri would panic.
#[cfg(target_os = "linux")]
pub(crate) fn connect() -> anyhow::Result<()> {
    use anyhow::Context;
    gtk::init()
        .context("there is no display to show an icon on; `tidegate serve` runs Tidegate without a desktop")
}

/// Connects to the display: always there on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn connect() -> anyhow::Result<()> {
    Ok(())
}

/// The library that draws tray icons is not installed.
#[cfg(target_os = "linux")]
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no tray icon, because the library {} is missing (Debian: apt-get install libayatana-appindicator3-1); \
     Tidegate runs without it",
    LIBRARIES[0]
)]
pub(crate) struct NoTrayLibrary;

/// What `libappindicator-sys` loads, in its order.
#[cfg(target_os = "linux")]
const LIBRARIES: [&str; 2] = ["libayatana-appindicator3.so.1", "libappindicator3.so.1"];

/// Looks for the library that draws tray icons. Without it, building a tray panics.
#[cfg(target_os = "linux")]
pub(crate) fn find_tray_library() -> Result<(), NoTrayLibrary> {
    match LIBRARIES.iter().find_map(|name| dlopen2::raw::Library::open(name).ok()) {
        Some(library) => {
            // Loaded again in a moment; libraries of this kind are not made to be unloaded.
            std::mem::forget(library);
            Ok(())
        }
        None => Err(NoTrayLibrary),
    }
}

/// Tells whether the desktop shows tray icons, now and whenever that changes. On the main thread.
#[cfg(target_os = "linux")]
pub(crate) fn watch_tray_host(visibility: watch::Sender<Visibility>) {
    use gtk::gio::prelude::*;
    use gtk::gio::{BusType, Cancellable, DBusProxy, DBusProxyFlags};

    const WATCHER: &str = "org.kde.StatusNotifierWatcher";
    // A proxy, and not `bus_watch_name`: that one panics when there is no session bus.
    DBusProxy::for_bus(
        BusType::Session,
        DBusProxyFlags::DO_NOT_AUTO_START
            | DBusProxyFlags::DO_NOT_LOAD_PROPERTIES
            | DBusProxyFlags::DO_NOT_CONNECT_SIGNALS,
        None,
        WATCHER,
        "/StatusNotifierWatcher",
        WATCHER,
        Cancellable::NONE,
        move |proxy| {
            let Ok(proxy) = proxy else {
                visibility.send_replace(Visibility::Hidden);
                return;
            };
            let tell = move |proxy: &DBusProxy| {
                let is_there = proxy.g_name_owner().is_some();
                visibility.send_replace(if is_there { Visibility::Shown } else { Visibility::Hidden });
            };
            tell(&proxy);
            proxy.connect_g_name_owner_notify(tell);
            // Watched for the rest of the process's life.
            std::mem::forget(proxy);
        },
    );
}

/// Tells whether the desktop shows tray icons: always on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn watch_tray_host(visibility: watch::Sender<Visibility>) {
    visibility.send_replace(Visibility::Shown);
}
