//! Notifications: hints in the desktop's own style, one at a time.

use tidegate_desktop_core::shell::Notification;

use crate::inputs::Inputs;

/// Shows notifications. Every call is made on the main thread and returns at once; what comes of it
/// is told to the controller.
pub(crate) trait Notifications {
    /// Shows this one, in place of the one before.
    fn show(&self, notification: Notification);
    /// Takes it away.
    fn close(&self);
}

/// The system's notifications.
#[cfg(target_os = "linux")]
pub(crate) fn system(inputs: &Inputs) -> Box<dyn Notifications> {
    Box::new(freedesktop::Freedesktop::connect(inputs.clone()))
}

/// The system's notifications: none on this system yet.
#[cfg(not(target_os = "linux"))]
pub(crate) fn system(inputs: &Inputs) -> Box<dyn Notifications> {
    use tidegate_desktop_core::shell::{Input, Surface};

    struct NoNotifications;
    impl Notifications for NoNotifications {
        fn show(&self, _notification: Notification) {}
        fn close(&self) {}
    }
    let reason =
        "Tidegate shows no notifications on this system yet; its tray and its window show what waits";
    inputs.tell(Input::NotificationService(Surface::Missing(reason.to_owned())));
    Box::new(NoNotifications)
}

/// The notification service of Linux desktops (Desktop Notifications Specification 1.2), spoken to
/// directly and not through notify-rust 4.18: that one waits for answers without a limit, listens
/// for them only after it has sent, takes them from anybody, and cannot tell that the service was
/// started anew.
#[cfg(target_os = "linux")]
mod freedesktop {
    use std::cell::{Cell, RefCell};
    use std::collections::HashMap;
    use std::rc::Rc;

    use gtk::gio::prelude::*;
    use gtk::gio::{self, BusType, Cancellable, DBusConnection};
    use gtk::glib::{self, Variant};
    use tidegate_desktop_core::shell::{Input, Notification, NotificationAnswer, NotificationId, Surface};

    use super::Notifications;
    use crate::inputs::Inputs;
    use crate::session_bus;

    const SERVICE: &str = "org.freedesktop.Notifications";
    const PATH: &str = "/org/freedesktop/Notifications";
    /// How long the service may take to answer, in milliseconds. It may have to be started first.
    const PATIENCE: i32 = 5000;
    /// The specification's urgency for what need not be answered at once.
    const NORMAL: u8 = 1;
    /// The specification's name for a click on the notification itself.
    const DEFAULT_ACTION: &str = "default";
    const REVIEW: &str = "review";
    const DENY: &str = "deny";

    pub(super) struct Freedesktop(Rc<Inner>);

    struct Inner {
        inputs: Inputs,
        connection: RefCell<Option<DBusConnection>>,
        /// What should be seen.
        wanted: RefCell<Option<Notification>>,
        /// What the service shows.
        shown: Cell<Option<Shown>>,
        /// What the service did not show, so that it is not asked for it again and again.
        failed: Cell<Option<NotificationId>>,
        /// Whether an answer of the service is awaited: it is asked one thing at a time.
        is_asking: Cell<bool>,
        /// Counts the services that came and went: a new one knows nothing of what the old showed.
        generation: Cell<u64>,
        told: RefCell<Surface>,
    }

    #[derive(Clone, Copy)]
    struct Shown {
        /// The service's number for it.
        number: u32,
        /// Ours.
        id: NotificationId,
    }

    impl Freedesktop {
        /// Connects beside everything else. What is to be shown before that is shown then.
        pub(super) fn connect(inputs: Inputs) -> Self {
            let inner = Rc::new(Inner {
                inputs,
                connection: RefCell::new(None),
                wanted: RefCell::new(None),
                shown: Cell::new(None),
                failed: Cell::new(None),
                is_asking: Cell::new(false),
                generation: Cell::new(0),
                told: RefCell::new(Surface::Unknown),
            });
            session_bus::connect(BusType::Session, {
                let inner = inner.clone();
                move |connection| match connection {
                    Some(connection) => inner.connected(connection),
                    None => inner.tell(Surface::Missing(NO_BUS.to_owned())),
                }
            });
            Self(inner)
        }
    }

    impl Notifications for Freedesktop {
        fn show(&self, notification: Notification) {
            self.0.wanted.replace(Some(notification));
            self.0.catch_up();
        }

        fn close(&self) {
            self.0.wanted.replace(None);
            self.0.catch_up();
        }
    }

    impl Inner {
        fn connected(self: &Rc<Self>, connection: DBusConnection) {
            session_bus::on_signal(&connection, SERVICE, SERVICE, "ActionInvoked", {
                let inner = self.clone();
                move |(number, action): (u32, String)| inner.answered(number, &action)
            });
            session_bus::on_signal(&connection, SERVICE, SERVICE, "NotificationClosed", {
                let inner = self.clone();
                move |(number, _reason): (u32, u32)| inner.closed(number)
            });
            self.connection.replace(Some(connection.clone()));
            session_bus::watch_owner(&connection, SERVICE, PATH, {
                let inner = self.clone();
                move |is_there| inner.service_changed(is_there)
            });
        }

        /// The service came, went, or was replaced; or the bus tells for the first time.
        fn service_changed(self: &Rc<Self>, is_there: bool) {
            self.generation.set(self.generation.get() + 1);
            self.shown.set(None);
            self.failed.set(None);
            if is_there {
                self.tell(Surface::Works);
                self.catch_up();
            } else {
                self.look_whether_it_can_be_started();
            }
        }

        /// The bus starts a service that is not there when it is asked, if one is installed.
        fn look_whether_it_can_be_started(self: &Rc<Self>) {
            let Some(connection) = self.connection.borrow().clone() else { return };
            let inner = self.clone();
            session_bus::can_be_started(&connection, SERVICE, move |can_be| {
                inner.tell(match can_be {
                    true => Surface::Works,
                    false => Surface::Missing(NO_SERVICE.to_owned()),
                });
                inner.catch_up();
            });
        }

        /// Brings the service to show what is wanted.
        fn catch_up(self: &Rc<Self>) {
            let Some(connection) = self.connection.borrow().clone() else { return };
            if self.is_asking.get() {
                return;
            }
            let wanted = self.wanted.borrow().clone();
            let shown = self.shown.get();
            match wanted {
                Some(wanted) => {
                    let is_done = shown.map(|shown| shown.id) == Some(wanted.id);
                    if !is_done && self.failed.get() != Some(wanted.id) {
                        self.ask_to_show(&connection, &wanted, shown.map_or(0, |shown| shown.number));
                    }
                }
                None => {
                    if let Some(shown) = self.shown.take() {
                        let parameters = (shown.number,).to_variant();
                        self.ask(&connection, "CloseNotification", &parameters, |_, _| {});
                    }
                }
            }
        }

        fn ask_to_show(self: &Rc<Self>, connection: &DBusConnection, wanted: &Notification, replaced: u32) {
            let actions: &[&str] = match wanted.has_actions {
                true => &[DEFAULT_ACTION, "Review", REVIEW, "Review", DENY, "Deny"],
                false => &[],
            };
            let hints = HashMap::from([
                ("urgency", NORMAL.to_variant()),
                ("desktop-entry", "tidegate-desktop".to_variant()),
            ]);
            // Some services read the text as markup.
            let body = glib::markup_escape_text(&wanted.body);
            let parameters = (
                "Tidegate",
                replaced,
                "tidegate-desktop",
                wanted.title.as_str(),
                body.as_str(),
                actions,
                hints,
                // For as long as the service likes.
                -1_i32,
            );
            let id = wanted.id;
            let generation = self.generation.get();
            self.ask(connection, "Notify", &parameters.to_variant(), move |inner, answer| {
                match answer.map(|answer| answer.get::<(u32,)>()) {
                    Ok(Some((number,))) => {
                        inner.shown.set(Some(Shown { number, id }));
                        inner.tell(Surface::Works);
                    }
                    // A service that ends while it is asked does not answer; the next one is asked anew.
                    Err(_) if inner.generation.get() != generation => {}
                    Ok(None) | Err(_) => inner.failed.set(Some(id)),
                }
            });
        }

        /// Asks the service something, and goes on after its answer.
        fn ask(
            self: &Rc<Self>,
            connection: &DBusConnection,
            method: &str,
            parameters: &Variant,
            then: impl FnOnce(&Rc<Self>, Result<Variant, glib::Error>) + 'static,
        ) {
            self.is_asking.set(true);
            let inner = self.clone();
            connection.call(
                Some(SERVICE),
                PATH,
                SERVICE,
                method,
                Some(parameters),
                None,
                gio::DBusCallFlags::NONE,
                PATIENCE,
                Cancellable::NONE,
                move |answer| {
                    inner.is_asking.set(false);
                    if let Err(error) = &answer {
                        inner.tell(Surface::Missing(why(error).to_owned()));
                    }
                    then(&inner, answer);
                    inner.catch_up();
                },
            );
        }

        /// Somebody clicked. Only what is shown can be answered, once.
        fn answered(&self, number: u32, action: &str) {
            let answer = match action {
                DEFAULT_ACTION | REVIEW => NotificationAnswer::Review,
                DENY => NotificationAnswer::Deny,
                _ => return,
            };
            self.gone(number, answer);
        }

        fn closed(&self, number: u32) {
            self.gone(number, NotificationAnswer::Closed);
        }

        fn gone(&self, number: u32, answer: NotificationAnswer) {
            let Some(shown) = self.shown.get().filter(|shown| shown.number == number) else { return };
            // Services take a notification away once it was answered; the one that follows is new.
            self.shown.set(None);
            self.wanted.borrow_mut().take_if(|wanted| wanted.id == shown.id);
            self.inputs.click(Input::Notification { id: shown.id, answer });
        }

        fn tell(&self, state: Surface) {
            if *self.told.borrow() == state {
                return;
            }
            self.told.replace(state.clone());
            self.inputs.tell(Input::NotificationService(state));
        }
    }

    const NO_BUS: &str =
        "there is no session bus, and so no notifications; the tray and the window show what waits";
    const NO_SERVICE: &str = "no program shows notifications on this desktop (Debian: apt-get install dunst); the tray \
                              and the window show what waits";
    const NO_ANSWER: &str =
        "the notification service does not answer; the tray and the window show what waits";
    const REFUSED: &str = "the notification service shows nothing; the tray and the window show what waits";

    fn why(error: &glib::Error) -> &'static str {
        // Errors of the bus come as texts that hold their names.
        let names = |name: &str| error.message().contains(&format!("org.freedesktop.DBus.Error.{name}:"));
        if error.matches(gio::IOErrorEnum::TimedOut) || names("NoReply") || names("TimedOut") {
            NO_ANSWER
        } else if names("ServiceUnknown") || names("NameHasNoOwner") || names("Spawn.ServiceNotFound") {
            NO_SERVICE
        } else {
            REFUSED
        }
    }
}
