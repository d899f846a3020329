//! The one notification on the screen, kept as it is wanted: replaced in place, asked for again when
//! the service was started again, and never asked for twice at once.

use std::collections::VecDeque;
use std::future::pending;

use tidegate_desktop_core::shell::{Input, Notification, NotificationAnswer, NotificationId, Surface};
use tokio::sync::{mpsc, watch};

use super::{LocalFuture, Notifier, NotifyError, Pressed, Service};
use crate::inputs::Inputs;

/// How many presses are kept that came before the service had told the notification's number.
const EARLY: usize = 16;

/// What is on the screen, and what the service is asked for.
pub(super) struct Screen<N: Notifier> {
    notifier: N,
    /// Waits for as long as the service may take to answer.
    patience: fn() -> LocalFuture<()>,
    inputs: Inputs,
    wanted: Option<Notification>,
    service: Service,
    shown: Option<Shown<N>>,
    asking: Option<Asking<N>>,
    /// Answered, so that it is not shown again.
    answered: Option<NotificationId>,
    /// Not shown by this service, so that it is not asked for again and again.
    failed: Option<NotificationId>,
    told: Surface,
}

/// A notification on the screen.
struct Shown<N: Notifier> {
    handle: N::Shown,
    /// Ours; `None` when a service has it that may be gone, so that it has to be sent again.
    id: Option<NotificationId>,
    answer: LocalFuture<Option<NotificationAnswer>>,
}

/// What the service is asked, one thing at a time.
struct Asking<N: Notifier> {
    asked: LocalFuture<Asked<N>>,
    /// The service that was there then.
    service: Service,
    /// Ends when it counts as hanging; `None` when it does. Its answer is waited for all the same.
    patience: Option<LocalFuture<()>>,
    /// The one that it takes the place of.
    replaced: Option<Replaced>,
    /// What was pressed before its number was known.
    early: VecDeque<Pressed>,
}

/// A notification that is being replaced.
struct Replaced {
    id: Option<NotificationId>,
    number: Option<u32>,
}

/// How asking ended.
enum Asked<N: Notifier> {
    Shown(NotificationId, Result<N::Shown, NotifyError>),
    Closed,
}

/// What happens next.
enum Event<N: Notifier> {
    Wanted,
    Service,
    Pressed(Pressed),
    Answer(Option<NotificationAnswer>),
    Asked(Asked<N>),
    TooLate,
    /// No further requests can come.
    End,
}

impl<N: Notifier> Screen<N> {
    /// A service that has not answered when a future of `patience` ends counts as hanging.
    pub(super) fn new(notifier: N, patience: fn() -> LocalFuture<()>, inputs: Inputs) -> Self {
        Self {
            notifier,
            patience,
            inputs,
            wanted: None,
            service: Service::Unknown,
            shown: None,
            asking: None,
            answered: None,
            failed: None,
            told: Surface::Unknown,
        }
    }

    /// Runs until the handle that notifications are requested with is gone.
    pub(super) async fn run(
        mut self,
        mut wanted: watch::Receiver<Option<Notification>>,
        mut service: watch::Receiver<Service>,
        mut pressed: mpsc::Receiver<Pressed>,
    ) {
        service.mark_changed();
        loop {
            match self.next(&mut wanted, &mut service, &mut pressed).await {
                Event::Wanted => self.wanted = wanted.borrow_and_update().clone(),
                Event::Service => {
                    let now = *service.borrow_and_update();
                    self.service_changed(now);
                }
                Event::Pressed(pressed) => self.pressed(pressed),
                Event::Answer(answer) => self.answered_itself(answer),
                Event::Asked(asked) => self.asked(asked),
                Event::TooLate => {
                    if let Some(asking) = &mut self.asking {
                        asking.patience = None;
                    }
                    self.tell(NotifyError::NoAnswer.into());
                }
                Event::End => return,
            }
            self.catch_up();
        }
    }

    async fn next(
        &mut self,
        wanted: &mut watch::Receiver<Option<Notification>>,
        service: &mut watch::Receiver<Service>,
        pressed: &mut mpsc::Receiver<Pressed>,
    ) -> Event<N> {
        let Self { shown, asking, .. } = self;
        let answer = async {
            match shown {
                Some(shown) => (&mut shown.answer).await,
                None => pending().await,
            }
        };
        let (asked, patience) = match asking {
            Some(Asking { asked, patience, .. }) => (Some(asked), patience.as_mut()),
            None => (None, None),
        };
        let asked = async {
            match asked {
                Some(asked) => asked.await,
                None => pending().await,
            }
        };
        let too_late = async {
            match patience {
                Some(patience) => patience.await,
                None => pending().await,
            }
        };
        tokio::select! {
            // In the order in which a service tells: a press before the answer to what replaces it.
            biased;
            changed = wanted.changed() => if changed.is_ok() { Event::Wanted } else { Event::End },
            Ok(()) = service.changed() => Event::Service,
            Some(pressed) = pressed.recv() => Event::Pressed(pressed),
            answer = answer => Event::Answer(answer),
            asked = asked => Event::Asked(asked),
            () = too_late => Event::TooLate,
        }
    }

    /// The service came, went or was replaced: nothing of ours is on the screen any more.
    fn service_changed(&mut self, service: Service) {
        self.service = service;
        self.shown = None;
        self.failed = None;
        // The one that hung will never answer. A call that is on its way to another is left to end.
        if self.asking.as_ref().is_some_and(|asking| asking.patience.is_none()) {
            self.asking = None;
        }
        match service {
            Service::Unknown => {}
            Service::Running(_) | Service::Startable(_) => self.tell(Surface::Works),
            Service::Missing(error) => self.tell(error.into()),
        }
    }

    /// Asks for what is wanted and is not there.
    fn catch_up(&mut self) {
        let can_be_asked = matches!(self.service, Service::Running(_) | Service::Startable(_));
        if self.asking.is_some() || !can_be_asked {
            return;
        }
        let is_settled = |id| [self.answered, self.failed].contains(&Some(id));
        match (&self.wanted, self.shown.take()) {
            (Some(wanted), shown) if is_settled(wanted.id) => self.shown = shown,
            (Some(wanted), Some(shown)) if shown.id == Some(wanted.id) => self.shown = Some(shown),
            (Some(wanted), Some(shown)) => {
                let id = wanted.id;
                let number = self.notifier.number(&shown.handle);
                let replaced = Some(Replaced { id: shown.id, number });
                // It holds the handle, too.
                drop(shown.answer);
                let replacing = self.notifier.replace(shown.handle, wanted);
                self.ask(Box::pin(async move { Asked::Shown(id, replacing.await) }), replaced);
            }
            (Some(wanted), None) => {
                let id = wanted.id;
                let showing = self.notifier.show(wanted);
                self.ask(Box::pin(async move { Asked::Shown(id, showing.await) }), None);
            }
            (None, Some(shown)) => self.close(shown),
            (None, None) => {}
        }
    }

    fn ask(&mut self, asked: LocalFuture<Asked<N>>, replaced: Option<Replaced>) {
        self.asking = Some(Asking {
            asked,
            service: self.service,
            patience: Some((self.patience)()),
            replaced,
            early: VecDeque::new(),
        });
    }

    fn asked(&mut self, asked: Asked<N>) {
        let Some(asking) = self.asking.take() else { return };
        // One that was running then and is not the one that runs now.
        let is_gone = matches!(asking.service, Service::Running(_)) && asking.service != self.service;
        match asked {
            Asked::Closed if asking.patience.is_none() => self.tell(Surface::Works),
            Asked::Closed => {}
            Asked::Shown(id, Ok(handle)) => {
                let number = self.notifier.number(&handle);
                let answer = self.notifier.answer(&handle);
                self.shown = Some(Shown { handle, id: (!is_gone).then_some(id), answer });
                self.tell(Surface::Works);
                for (pressed, answer) in asking.early {
                    if number == Some(pressed) {
                        self.gone(answer);
                    }
                }
            }
            // Asked again: the service ended meanwhile, or it no longer knows the one to be replaced.
            Asked::Shown(_, Err(_)) if is_gone || asking.replaced.is_some() => {}
            Asked::Shown(id, Err(error)) => {
                self.failed = Some(id);
                self.tell(error.into());
            }
        }
    }

    /// The service announced a press.
    fn pressed(&mut self, (number, answer): Pressed) {
        match &mut self.asking {
            // It was pressed before it was replaced, as far as anybody can tell.
            Some(Asking { replaced: Some(replaced), .. }) if replaced.number == Some(number) => {
                if let Some(id) = replaced.id {
                    self.inputs.click(Input::Notification { id, answer });
                }
            }
            Some(asking) => {
                asking.early.truncate(EARLY - 1);
                asking.early.push_back((number, answer));
            }
            None => {
                let shown = self.shown.as_ref();
                if shown.is_some_and(|shown| self.notifier.number(&shown.handle) == Some(number)) {
                    self.gone(answer);
                }
            }
        }
    }

    /// The library told an answer.
    fn answered_itself(&mut self, answer: Option<NotificationAnswer>) {
        match (answer, &mut self.shown) {
            (Some(answer), _) => self.gone(answer),
            // What the service announces is heard as before.
            (None, Some(shown)) => shown.answer = Box::pin(pending()),
            (None, None) => {}
        }
    }

    /// It was answered, once, and the one that follows is new. Some services (dunst) keep a notification
    /// whose button was pressed until its time is up, so it is taken away.
    fn gone(&mut self, answer: NotificationAnswer) {
        let Some(shown) = self.shown.take() else { return };
        let id = shown.id;
        if answer != NotificationAnswer::Closed {
            self.close(shown);
        }
        let Some(id) = id else { return };
        self.answered = Some(id);
        self.inputs.click(Input::Notification { id, answer });
    }

    fn close(&mut self, shown: Shown<N>) {
        // It holds the handle, too.
        drop(shown.answer);
        let closing = self.notifier.close(shown.handle);
        self.ask(
            Box::pin(async move {
                closing.await;
                Asked::Closed
            }),
            None,
        );
    }

    fn tell(&mut self, state: Surface) {
        if self.told != state {
            self.told = state.clone();
            self.inputs.tell(Input::NotificationService(state));
        }
    }
}

#[cfg(test)]
mod tests;
