//! Whether the screen is locked: the person hears afterwards what happened meanwhile.

use std::rc::Rc;

use gtk::gio::prelude::*;
use gtk::gio::{self, BusType, Cancellable, DBusConnection, DBusProxy, DBusProxyFlags};
use gtk::glib::{Variant, VariantDict};
use tidegate_desktop_core::shell::Input;

use crate::inputs::Inputs;
use crate::session_bus::{self, Any};

/// The services of desktops that say whether their screen saver is on: name and interface in one.
const SCREEN_SAVERS: [&str; 2] = ["org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver"];
const LOGIND: &str = "org.freedesktop.login1";
const SESSION: &str = "org.freedesktop.login1.Session";

/// Tells each locking and unlocking of the screen, where the system tells it. On the main thread.
pub(crate) fn watch(inputs: &Inputs) {
    let inputs = inputs.clone();
    let locked = Any::new(SCREEN_SAVERS.len() + 1, move |is_locked| inputs.tell(Input::Screen { is_locked }));
    session_bus::connect(BusType::Session, {
        let locked = locked.clone();
        move |connection| {
            let Some(connection) = connection else { return };
            for (way, name) in SCREEN_SAVERS.into_iter().enumerate() {
                let locked = locked.clone();
                session_bus::on_signal(&connection, name, name, "ActiveChanged", move |(is_on,): (bool,)| {
                    locked.say(way, is_on);
                });
            }
        }
    });
    session_bus::connect(BusType::System, move |connection| {
        if let Some(connection) = connection {
            find_session(&connection, locked);
        }
    });
}

/// Asks logind for the session of this process.
fn find_session(connection: &DBusConnection, locked: Rc<Any>) {
    let then = {
        let connection = connection.clone();
        move |answer: Result<Variant, gtk::glib::Error>| {
            let path = answer.ok().and_then(|answer| answer.child_value(0).str().map(str::to_owned));
            if let Some(path) = path {
                watch_session(&connection, &path, locked);
            }
        }
    };
    connection.call(
        Some(LOGIND),
        "/org/freedesktop/login1",
        "org.freedesktop.login1.Manager",
        "GetSession",
        Some(&("auto",).to_variant()),
        None,
        gio::DBusCallFlags::NO_AUTO_START,
        2000,
        Cancellable::NONE,
        then,
    );
}

fn watch_session(connection: &DBusConnection, path: &str, locked: Rc<Any>) {
    DBusProxy::new(
        connection,
        DBusProxyFlags::DO_NOT_AUTO_START,
        None,
        Some(LOGIND),
        path,
        SESSION,
        Cancellable::NONE,
        move |proxy| {
            let Ok(proxy) = proxy else { return };
            let hint = |value: Option<Variant>| value.and_then(|value| value.get::<bool>());
            if let Some(is_locked) = hint(proxy.cached_property("LockedHint")) {
                locked.say(SCREEN_SAVERS.len(), is_locked);
            }
            proxy.connect_local("g-properties-changed", false, move |values| {
                let changed = values.get(1)?.get::<Variant>().ok()?;
                let changed = VariantDict::new(Some(&changed));
                if let Some(is_locked) = hint(changed.lookup_value("LockedHint", None)) {
                    locked.say(SCREEN_SAVERS.len(), is_locked);
                }
                None
            });
            // Watched for the rest of the process's life.
            std::mem::forget(proxy);
        },
    );
}
