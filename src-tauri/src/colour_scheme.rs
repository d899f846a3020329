//! Light or dark: what the person chose for the desktop, where the desktop tells it. GTK 3 follows its
//! theme alone, and most desktops have one theme for both.

use gtk::gio::prelude::*;
use gtk::gio::{self, BusType, Cancellable, DBusConnection};
use gtk::glib::Variant;
use gtk::prelude::GtkSettingsExt;

use crate::session_bus;

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const PATH: &str = "/org/freedesktop/portal/desktop";
const SETTINGS: &str = "org.freedesktop.portal.Settings";
/// The setting: group and name.
const SCHEME: (&str, &str) = ("org.freedesktop.appearance", "color-scheme");
/// Its value for dark; 2 is light, and 0 no preference.
const DARK: u32 = 1;
const LIGHT: u32 = 2;

/// Draws dialogs and pages as the desktop prefers it, now and at each change. On the main thread.
pub(crate) fn follow() {
    session_bus::connect(BusType::Session, |connection| {
        let Some(connection) = connection else { return };
        session_bus::on_signal(
            &connection,
            PORTAL,
            SETTINGS,
            "SettingChanged",
            |(group, name, value): (String, String, Variant)| {
                if (group.as_str(), name.as_str()) == SCHEME {
                    apply(&value);
                }
            },
        );
        let asked = connection.clone();
        session_bus::watch_owner(&connection, PORTAL, PATH, move |is_there| {
            if is_there {
                ask(&asked);
            }
        });
    });
}

fn ask(connection: &DBusConnection) {
    connection.call(
        Some(PORTAL),
        PATH,
        SETTINGS,
        "Read",
        Some(&SCHEME.to_variant()),
        None,
        gio::DBusCallFlags::NO_AUTO_START,
        2000,
        Cancellable::NONE,
        |answer| {
            if let Ok(answer) = answer {
                apply(&answer.child_value(0));
            }
        },
    );
}

/// Takes over a value. An answer has it in one wrapping more than a signal.
fn apply(value: &Variant) {
    let mut value = value.clone();
    while let Some(inner) = value.as_variant() {
        value = inner;
    }
    let Some(settings) = gtk::Settings::default() else { return };
    match value.get::<u32>() {
        Some(DARK) => settings.set_gtk_application_prefer_dark_theme(true),
        Some(LIGHT) => settings.set_gtk_application_prefer_dark_theme(false),
        // What the person's own settings of GTK say.
        _ => settings.reset_property("gtk-application-prefer-dark-theme"),
    }
}
