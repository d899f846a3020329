//! Notifications: hints in the desktop's own style, one at a time. They go through the library
//! `notify-rust`, on a thread of their own: a service that hangs holds up nothing.
//!
//! - [`Notifier`] is the narrow port to the system: `freedesktop` on Linux, `toasts` elsewhere.
//! - `screen` keeps the one notification as it is wanted, whatever the service does.
//! - `service` (Linux) tells when the service comes, goes or is replaced, and what is pressed.

#[cfg(target_os = "linux")]
mod freedesktop;
mod screen;
#[cfg(target_os = "linux")]
mod service;
// On Linux too for its tests: the library has the same interface on every system.
#[cfg(any(not(target_os = "linux"), test))]
mod toasts;

use std::pin::Pin;
use std::time::Duration;

use notify_rust::NotificationResponse;
use tidegate_desktop_core::shell::{Input, Notification, NotificationAnswer, Surface};
use tokio::sync::{mpsc, watch};

use self::screen::Screen;
use crate::inputs::Inputs;

/// A future that stays on the thread of the notifications.
type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// Shows notifications through the system's service.
trait Notifier: 'static {
    /// A notification that the service was asked to show.
    type Shown: 'static;

    /// Asks for a new notification. Dropping the future gives the request up.
    fn show(&self, notification: &Notification) -> LocalFuture<Result<Self::Shown, NotifyError>>;

    /// Asks for another one in its place.
    fn replace(
        &self,
        shown: Self::Shown,
        notification: &Notification,
    ) -> LocalFuture<Result<Self::Shown, NotifyError>>;

    /// Takes it from the screen.
    fn close(&self, shown: Self::Shown) -> LocalFuture<()>;

    /// Waits for what the person does with it; `None` when no answer can be heard this way any more.
    fn answer(&self, shown: &Self::Shown) -> LocalFuture<Option<NotificationAnswer>>;

    /// The service's number for it, where the service has one.
    fn number(&self, shown: &Self::Shown) -> Option<u32>;
}

/// Why a notification is not shown. Each is a sentence for the person.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "other systems tell less"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NotifyError {
    #[error(
        "there is no session bus, and so no notifications; the tray and the window show pending requests"
    )]
    NoBus,
    #[error(
        "no program shows notifications on this desktop (Debian: apt-get install dunst); the tray and the window show \
         what waits"
    )]
    NoService,
    #[error("the notification service does not answer; the tray and the window show pending requests")]
    NoAnswer,
    #[error("the notification service shows nothing; the tray and the window show pending requests")]
    Refused,
    #[error("notifications failed, which is a defect; the tray and the window show pending requests")]
    Failed,
}

impl From<NotifyError> for Surface {
    fn from(error: NotifyError) -> Self {
        Self::Missing(error.to_string())
    }
}

/// Whether there is a service.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "other systems tell less"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    /// Nobody has looked yet.
    Unknown,
    /// It runs, as the n-th since the start: another one knows nothing of what the one before showed.
    Running(u64),
    /// It is started when it is asked, as the n-th since the start.
    Startable(u64),
    /// There is none.
    Missing(NotifyError),
}

/// Shows notifications. Calls return at once; what comes of them is reported to the controller.
pub(crate) struct Notifications {
    wanted: watch::Sender<Option<Notification>>,
}

impl Notifications {
    /// Shows this one, in place of the one before.
    pub(crate) fn show(&self, notification: Notification) {
        self.wanted.send_replace(Some(notification));
    }

    /// Takes it away.
    pub(crate) fn close(&self) {
        self.wanted.send_replace(None);
    }
}

/// The system's notifications. On the main thread.
pub(crate) fn system(inputs: &Inputs) -> Notifications {
    #[cfg(target_os = "linux")]
    {
        let watched = service::watch();
        start(inputs, watched.service, watched.pressed, || freedesktop::Freedesktop)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let (_, service) = watch::channel(Service::Running(0));
        let (_, pressed) = mpsc::channel(1);
        start(inputs, service, pressed, toasts::Toasts::default)
    }
}

/// Starts the thread of the notifications. It sleeps while nothing happens.
fn start<N: Notifier>(
    inputs: &Inputs,
    service: watch::Receiver<Service>,
    pressed: mpsc::Receiver<Pressed>,
    notifier: impl FnOnce() -> N + Send + 'static,
) -> Notifications {
    let (wanted, receiver) = watch::channel(None);
    let screen_inputs = inputs.clone();
    let work = move || -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(BLOCKED_CALLS)
            .build()?;
        runtime.block_on(Screen::new(notifier(), patience, screen_inputs).run(receiver, service, pressed));
        Ok(())
    };
    let watched_inputs = inputs.clone();
    let spawned = std::thread::Builder::new().name("notifications".to_owned()).spawn(move || {
        // The library panics where a bus vanishes at the wrong moment.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        if !matches!(ended, Ok(Ok(()))) {
            tracing::error!("the thread of the notifications failed");
            watched_inputs.tell(Input::NotificationService(NotifyError::Failed.into()));
        }
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "the thread of the notifications could not be started");
        inputs.tell(Input::NotificationService(NotifyError::Failed.into()));
    }
    Notifications { wanted }
}

/// How long the service may take to answer before it counts as hanging. It may have to be started.
const PATIENCE: Duration = Duration::from_secs(5);

fn patience() -> LocalFuture<()> {
    Box::pin(tokio::time::sleep(PATIENCE))
}

/// How many calls of the library that cannot be given up may wait at once for services that hang.
const BLOCKED_CALLS: usize = 4;

/// A press on a notification, as the service announced it: its number and what was pressed.
type Pressed = (u32, NotificationAnswer);

/// The specification's name for a click on the notification itself. Without it such clicks are not
/// told.
const DEFAULT_ACTION: &str = "default";
const REVIEW: &str = "review";
const DENY: &str = "deny";

/// What an action of a notification means; `None` for one that it did not have.
fn answer_of_action(action: &str) -> Option<NotificationAnswer> {
    match action {
        DEFAULT_ACTION | REVIEW => Some(NotificationAnswer::Review),
        DENY => Some(NotificationAnswer::Deny),
        _ => None,
    }
}

/// What an answer of the library means; `None` for one that the notification did not offer.
fn answer_of(response: &NotificationResponse) -> Option<NotificationAnswer> {
    match response {
        NotificationResponse::Default => Some(NotificationAnswer::Review),
        NotificationResponse::Action(action) => answer_of_action(action),
        NotificationResponse::Closed(_) => Some(NotificationAnswer::Closed),
        NotificationResponse::Reply(_) => None,
    }
}

/// A notification in the library's form; its body as `body`, which a service may read as markup.
fn content(notification: &Notification, body: &str) -> notify_rust::Notification {
    let mut content = notify_rust::Notification::new();
    content.appname("Tidegate").icon("tidegate-desktop").summary(&notification.title).body(body);
    if notification.has_actions {
        content.action(DEFAULT_ACTION, "Review").action(REVIEW, "Review").action(DENY, "Deny");
    }
    #[cfg(target_os = "windows")]
    content.app_id("dev.tidegate.desktop");
    content
}
