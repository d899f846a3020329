//! The session bus, through the library that GTK brings along.

use std::rc::Rc;

use gtk::gio::prelude::*;
use gtk::gio::{self, BusType, Cancellable, DBusConnection, DBusProxy, DBusProxyFlags, DBusSignalFlags};
use gtk::glib::variant::FromVariant;

/// Gives a bus to `then`, or `None` when there is none. On the main thread, later.
pub(crate) fn connect(bus: BusType, then: impl FnOnce(Option<DBusConnection>) + 'static) {
    gio::bus_get(bus, Cancellable::NONE, move |connection| {
        if let Ok(connection) = &connection {
            // The gateway outlives a bus that ends; the default is to end the process.
            connection.set_exit_on_close(false);
        }
        then(connection.ok());
    });
}

/// Tells `then` whether somebody owns a name of the bus, now and at each change. Starts nobody.
pub(crate) fn watch_owner(
    connection: &DBusConnection,
    name: &str,
    path: &str,
    then: impl Fn(bool) + 'static,
) {
    // A proxy, and not `bus_watch_name`: that one panics when there is no session bus.
    DBusProxy::new(
        connection,
        DBusProxyFlags::DO_NOT_AUTO_START
            | DBusProxyFlags::DO_NOT_LOAD_PROPERTIES
            | DBusProxyFlags::DO_NOT_CONNECT_SIGNALS,
        None,
        Some(name),
        path,
        name,
        Cancellable::NONE,
        move |proxy| {
            let Ok(proxy) = proxy else {
                then(false);
                return;
            };
            then(proxy.g_name_owner().is_some());
            let watched = proxy.downgrade();
            proxy.connect_local("notify::g-name-owner", false, move |_| {
                then(watched.upgrade()?.g_name_owner().is_some());
                None
            });
            // Watched for the rest of the process's life.
            std::mem::forget(proxy);
        },
    );
}

/// Calls `then` with the arguments of each signal that the owner of `name` sends, and that has the
/// right types. What other programs of the bus send under the same words is not heard.
pub(crate) fn on_signal<T: FromVariant>(
    connection: &DBusConnection,
    name: &str,
    interface: &str,
    member: &str,
    then: impl Fn(T) + 'static,
) {
    // The subscription lives as long as the connection, which is never given up.
    let _subscription = connection.signal_subscribe(
        Some(name),
        Some(interface),
        Some(member),
        None,
        None,
        DBusSignalFlags::NONE,
        move |_, _, _, _, _, arguments| {
            if let Some(arguments) = arguments.get::<T>() {
                then(arguments);
            }
        },
    );
}

/// Tells whether the bus can start somebody who owns a name, later.
pub(crate) fn can_be_started(
    connection: &DBusConnection,
    name: &'static str,
    then: impl FnOnce(bool) + 'static,
) {
    connection.call(
        Some("org.freedesktop.DBus"),
        "/org/freedesktop/DBus",
        "org.freedesktop.DBus",
        "ListActivatableNames",
        None,
        None,
        gio::DBusCallFlags::NONE,
        2000,
        Cancellable::NONE,
        move |answer| {
            let names = answer.ok().and_then(|answer| answer.get::<(Vec<String>,)>());
            then(names.is_some_and(|(names,)| names.iter().any(|known| known == name)));
        },
    );
}

/// Several ways to learn one thing, of which any says yes.
pub(crate) struct Any {
    said: Vec<std::cell::Cell<bool>>,
    tell: Box<dyn Fn(bool)>,
}

impl Any {
    /// `ways` ways; `tell` is called at each change of whether any says yes.
    pub(crate) fn new(ways: usize, tell: impl Fn(bool) + 'static) -> Rc<Self> {
        Rc::new(Self { said: vec![std::cell::Cell::new(false); ways], tell: Box::new(tell) })
    }

    /// One way says this now.
    pub(crate) fn say(&self, way: usize, yes: bool) {
        let before = self.is_said();
        if let Some(said) = self.said.get(way) {
            said.set(yes);
        }
        let after = self.is_said();
        if before != after {
            (self.tell)(after);
        }
    }

    fn is_said(&self) -> bool {
        self.said.iter().any(std::cell::Cell::get)
    }
}
