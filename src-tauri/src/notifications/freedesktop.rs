//! The notification service of Linux desktops (Desktop Notifications Specification 1.2).
//!
//! GNOME tells answers to the one connection that asked for a notification, lets no other replace or
//! close it, and removes it when that connection ends. So a notification keeps the library's handle,
//! which holds its connection, until it is gone.

use std::sync::Arc;

use futures_util::FutureExt as _;
use gtk::glib;
use notify_rust::{Hint, NotificationHandle, NotificationResponse, Urgency};
use tidegate_desktop_core::shell::{Notification, NotificationAnswer};

use super::{LocalFuture, Notifier, NotifyError, answer_of, content};

/// How often a notification is replaced over one connection: each time the library adds rules to the
/// bus that stay as long as the connection.
const REPLACEMENTS: usize = 100;

/// The service on the session bus.
pub(super) struct Freedesktop;

/// A notification and the connection that it belongs to.
pub(super) struct Shown {
    handle: Arc<NotificationHandle>,
    replacements: usize,
}

impl Notifier for Freedesktop {
    type Shown = Shown;

    fn show(&self, notification: &Notification) -> LocalFuture<Result<Shown, NotifyError>> {
        let content = with_hints(notification);
        Box::pin(async move { first(content).await })
    }

    fn replace(&self, shown: Shown, notification: &Notification) -> LocalFuture<Result<Shown, NotifyError>> {
        let content = with_hints(notification);
        Box::pin(async move {
            let Shown { handle, replacements } = shown;
            if replacements >= REPLACEMENTS {
                handle.close_async().await;
                return first(content).await;
            }
            // The future that waited for its answer is gone, which held it, too.
            let mut handle = Arc::into_inner(handle).ok_or(NotifyError::Failed)?;
            *handle = content;
            // The one call that the library offers only as a blocking one.
            let updated = tokio::task::spawn_blocking(move || handle.update().map(|()| handle));
            let handle = updated.await.map_err(|_| NotifyError::Failed)??;
            Ok(Shown { handle: Arc::new(handle), replacements: replacements + 1 })
        })
    }

    fn close(&self, shown: Shown) -> LocalFuture<()> {
        Box::pin(async move { shown.handle.close_async().await })
    }

    fn answer(&self, shown: &Shown) -> LocalFuture<Option<NotificationAnswer>> {
        let handle = shown.handle.clone();
        Box::pin(async move {
            let mut answer = None;
            let waiting =
                handle.wait_for_action_async(|response: &NotificationResponse| answer = answer_of(response));
            // The library panics when the bus ends while it begins to listen.
            let waited = std::panic::AssertUnwindSafe(waiting).catch_unwind().await;
            waited.ok().and(answer)
        })
    }

    fn number(&self, shown: &Shown) -> Option<u32> {
        Some(shown.handle.id())
    }
}

/// Shows it over a connection of its own.
async fn first(content: notify_rust::Notification) -> Result<Shown, NotifyError> {
    let handle = content.show_async().await?;
    Ok(Shown { handle: Arc::new(handle), replacements: 0 })
}

fn with_hints(notification: &Notification) -> notify_rust::Notification {
    // Some services read the text as markup.
    let body = glib::markup_escape_text(&notification.body);
    let mut content = content(notification, &body);
    content.urgency(Urgency::Normal).hint(Hint::DesktopEntry("tidegate-desktop".to_owned()));
    content
}

impl From<notify_rust::error::Error> for NotifyError {
    fn from(error: notify_rust::error::Error) -> Self {
        // The library shows its errors as texts only. Those of the bus hold their names.
        let text = error.to_string();
        let names = |name: &str| text.contains(&format!("org.freedesktop.DBus.Error.{name}"));
        if names("NoReply") || names("TimedOut") || names("Timeout") {
            Self::NoAnswer
        } else if names("ServiceUnknown") || names("NameHasNoOwner") || names("Spawn.") {
            Self::NoService
        } else {
            tracing::debug!(%error, "the notification service refused");
            Self::Refused
        }
    }
}
