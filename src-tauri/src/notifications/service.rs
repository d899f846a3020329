//! The service's comings and goings, and what it announces, on a connection of our own. The library
//! cannot tell when the service was started again, and begins to listen only after it has asked.

use std::cell::Cell;
use std::rc::Rc;

use gtk::gio::{BusType, DBusConnection};
use tidegate_desktop_core::shell::NotificationAnswer;
use tokio::sync::{mpsc, watch};

use super::{NotifyError, Pressed, Service, answer_of_action};
use crate::session_bus;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// How many presses wait to be looked at; more come only from a service that floods.
const PRESSES: usize = 64;

/// Where it is reported.
pub(super) struct Watched {
    pub(super) service: watch::Receiver<Service>,
    pub(super) pressed: mpsc::Receiver<Pressed>,
}

/// Watches for the rest of the process's life, without polling. On the main thread.
pub(super) fn watch() -> Watched {
    let (service, service_told) = watch::channel(Service::Unknown);
    let (pressed, pressed_told) = mpsc::channel(PRESSES);
    session_bus::connect(BusType::Session, move |connection| match connection {
        Some(connection) => {
            hear_presses(&connection, pressed);
            Rc::new(Watcher { service, changes: Cell::new(0) }).watch(&connection);
        }
        None => drop(service.send_replace(Service::Missing(NotifyError::NoBus))),
    });
    Watched { service: service_told, pressed: pressed_told }
}

/// Only what the service itself announces is heard here.
fn hear_presses(connection: &DBusConnection, pressed: mpsc::Sender<Pressed>) {
    let closed = pressed.clone();
    session_bus::on_signal(connection, NAME, NAME, "ActionInvoked", {
        move |(number, action): (u32, String)| {
            if let Some(answer) = answer_of_action(&action) {
                let _ = pressed.try_send((number, answer));
            }
        }
    });
    session_bus::on_signal(connection, NAME, NAME, "NotificationClosed", {
        move |(number, _reason): (u32, u32)| {
            let _ = closed.try_send((number, NotificationAnswer::Closed));
        }
    });
}

struct Watcher {
    service: watch::Sender<Service>,
    /// Counts the services that came and went.
    changes: Cell<u64>,
}

impl Watcher {
    fn watch(self: &Rc<Self>, connection: &DBusConnection) {
        let watcher = self.clone();
        let watched = connection.clone();
        session_bus::watch_owner(connection, NAME, PATH, move |is_there| {
            watcher.changed(&watched, is_there);
        });
    }

    fn changed(self: &Rc<Self>, connection: &DBusConnection, is_there: bool) {
        let change = self.changes.get() + 1;
        self.changes.set(change);
        if is_there {
            self.service.send_replace(Service::Running(change));
            return;
        }
        // The bus starts a service that is not there when it is asked, if one is installed.
        let watcher = self.clone();
        session_bus::can_be_started(connection, NAME, move |can_be| {
            if watcher.changes.get() == change {
                watcher.service.send_replace(match can_be {
                    true => Service::Startable(change),
                    false => Service::Missing(NotifyError::NoService),
                });
            }
        });
    }
}
