//! The way to the controller for what happens on the desktop.

use tidegate_desktop_core::shell::Input;
use tokio::sync::mpsc;

/// How many clicks wait for the controller. A person makes a few a second; more come only from a
/// program that sends tray events or notification actions without end, and such are dropped.
const CLICKS: usize = 64;

/// Sends inputs to the controller, from any thread. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    told: mpsc::UnboundedSender<Input>,
    clicks: mpsc::Sender<Input>,
}

/// The controller's end.
#[derive(Debug)]
pub(crate) struct Received {
    told: mpsc::UnboundedReceiver<Input>,
    clicks: mpsc::Receiver<Input>,
}

/// A sending and a receiving end that belong together.
pub(crate) fn inputs() -> (Inputs, Received) {
    let (told, told_received) = mpsc::unbounded_channel();
    let (clicks, clicks_received) = mpsc::channel(CLICKS);
    (Inputs { told, clicks }, Received { told: told_received, clicks: clicks_received })
}

impl Inputs {
    /// Tells something that must not be lost: a state, a decision, an answer.
    pub(crate) fn tell(&self, input: Input) {
        // Without a receiver the process is ending.
        let _ = self.told.send(input);
    }

    /// Tells a click in the tray or in a notification. Programs of the session can forge these, as
    /// many as they like, so a click that finds no place is dropped: what it was about still waits.
    pub(crate) fn click(&self, input: Input) {
        if self.clicks.try_send(input).is_err() {
            tracing::warn!("too many clicks in the tray or in notifications; one was not looked at");
        }
    }

    /// Whether anybody looks at them.
    pub(crate) fn are_heard(&self) -> bool {
        !self.told.is_closed()
    }
}

impl Received {
    /// The next input. What was told comes before clicks. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Input> {
        tokio::select! {
            biased;
            told = self.told.recv() => told,
            click = self.clicks.recv() => click,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_desktop_core::shell::{NotificationAnswer, NotificationId};

    fn click(number: u64) -> Input {
        Input::Notification { id: NotificationId(number), answer: NotificationAnswer::Review }
    }

    #[tokio::test]
    async fn a_flood_of_clicks_drops_clicks_and_nothing_else() {
        let (inputs, mut received) = inputs();

        for number in 0..10_000 {
            inputs.click(click(number));
        }
        inputs.tell(Input::SecondLaunch);

        assert_eq!(received.next().await, Some(Input::SecondLaunch));
        for number in 0..CLICKS as u64 {
            assert_eq!(received.next().await, Some(click(number)));
        }
        assert!(received.clicks.try_recv().is_err());
    }
}
