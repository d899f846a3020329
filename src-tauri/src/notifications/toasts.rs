//! Notifications where the library shows them by itself: macOS and Windows. It waits for an answer on
//! a thread for each, cannot take one away, and shows a later one beside an earlier.

use std::cell::RefCell;
use std::sync::Arc;

use notify_rust::NotificationResponse;
use tidegate_desktop_core::shell::{Notification, NotificationAnswer};
use tokio::sync::oneshot;

use super::{LocalFuture, Notifier, NotifyError, answer_of, content};

/// How many notifications may be waited for at once: not every system tells that one is gone.
const WAITING: usize = 16;

/// The system's own notifications.
#[derive(Default)]
pub(super) struct Toasts {
    /// Held by each thread that waits.
    waiting: Arc<()>,
}

/// Where the answer arrives, until somebody waits for it.
pub(super) type Shown = RefCell<Option<oneshot::Receiver<NotificationAnswer>>>;

impl Notifier for Toasts {
    type Shown = Shown;

    fn show(&self, notification: &Notification) -> LocalFuture<Result<Shown, NotifyError>> {
        let content = content(notification, &notification.body);
        let place = (Arc::strong_count(&self.waiting) <= WAITING).then(|| self.waiting.clone());
        Box::pin(async move {
            let place = place.ok_or(NotifyError::Refused)?;
            let (started, has_started) = oneshot::channel();
            let (answered, answer) = oneshot::channel();
            let wait = move || {
                let _place = place;
                let shown = content.show().map_err(NotifyError::from);
                let handle = match shown {
                    Ok(handle) => {
                        let _ = started.send(Ok(()));
                        handle
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                        return;
                    }
                };
                let _ = handle.wait_for_response(|response: &NotificationResponse| {
                    if let Some(answer) = answer_of(response) {
                        let _ = answered.send(answer);
                    }
                });
            };
            std::thread::Builder::new()
                .name("notification".to_owned())
                .spawn(wait)
                .map_err(|_| NotifyError::Failed)?;
            has_started.await.map_err(|_| NotifyError::Failed)??;
            Ok(RefCell::new(Some(answer)))
        })
    }

    fn replace(&self, _shown: Shown, notification: &Notification) -> LocalFuture<Result<Shown, NotifyError>> {
        self.show(notification)
    }

    fn close(&self, _shown: Shown) -> LocalFuture<()> {
        Box::pin(std::future::ready(()))
    }

    fn answer(&self, shown: &Shown) -> LocalFuture<Option<NotificationAnswer>> {
        let answer = shown.borrow_mut().take();
        Box::pin(async move { answer?.await.ok() })
    }

    fn number(&self, _shown: &Shown) -> Option<u32> {
        None
    }
}

#[cfg(not(target_os = "linux"))]
impl From<notify_rust::error::Error> for NotifyError {
    fn from(error: notify_rust::error::Error) -> Self {
        tracing::debug!(%error, "the system refused a notification");
        Self::Refused
    }
}

#[cfg(test)]
mod tests {
    use tidegate_desktop_core::shell::NotificationId;

    use super::*;

    #[tokio::test]
    async fn beyond_a_number_of_waiting_threads_none_is_started() {
        let toasts = Toasts::default();
        let _waiting: Vec<_> = std::iter::repeat_n(toasts.waiting.clone(), WAITING).collect();
        let notification = Notification {
            id: NotificationId(1),
            title: String::new(),
            body: String::new(),
            has_actions: true,
        };

        let shown = toasts.show(&notification).await;

        assert_eq!(shown.err(), Some(NotifyError::Refused));
    }
}
