//! The notification on the screen, against a service that a test plays.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::*;
use crate::inputs::{Received, inputs};

/// What the service was asked, and what it still has to answer.
#[derive(Default)]
struct Calls {
    made: Vec<String>,
    /// Answers that the test gives by hand; without them the service answers at once.
    is_slow: bool,
    unanswered: Vec<oneshot::Sender<Result<u32, NotifyError>>>,
    next: u32,
    listening: BTreeMap<u32, oneshot::Sender<NotificationAnswer>>,
}

#[derive(Clone, Default)]
struct FakeService(Rc<RefCell<Calls>>);

impl FakeService {
    fn ask(&self, call: String, number: Option<u32>) -> LocalFuture<Result<u32, NotifyError>> {
        let mut calls = self.0.borrow_mut();
        calls.made.push(call);
        let number = number.unwrap_or_else(|| {
            calls.next += 1;
            calls.next
        });
        if !calls.is_slow {
            return Box::pin(async move { Ok(number) });
        }
        let (answer, answered) = oneshot::channel();
        calls.unanswered.push(answer);
        Box::pin(async move { answered.await.unwrap_or(Err(NotifyError::NoAnswer)) })
    }
}

impl Notifier for FakeService {
    type Shown = u32;

    fn show(&self, notification: &Notification) -> LocalFuture<Result<u32, NotifyError>> {
        self.ask(format!("show {}", notification.id.0), None)
    }

    fn replace(&self, shown: u32, notification: &Notification) -> LocalFuture<Result<u32, NotifyError>> {
        self.ask(format!("replace {shown} by {}", notification.id.0), Some(shown))
    }

    fn close(&self, shown: u32) -> LocalFuture<()> {
        let closing = self.ask(format!("close {shown}"), Some(shown));
        Box::pin(async move {
            let _ = closing.await;
        })
    }

    fn answer(&self, shown: &u32) -> LocalFuture<Option<NotificationAnswer>> {
        let (answer, answered) = oneshot::channel();
        self.0.borrow_mut().listening.insert(*shown, answer);
        Box::pin(async move { answered.await.ok() })
    }

    fn number(&self, shown: &u32) -> Option<u32> {
        Some(*shown)
    }
}

thread_local! {
    /// Held by those who wait: their time is up when it is dropped.
    static TIME: RefCell<Vec<oneshot::Sender<()>>> = const { RefCell::new(Vec::new()) };
}

fn patience() -> LocalFuture<()> {
    let (left, is_up) = oneshot::channel();
    TIME.with_borrow_mut(|time| time.push(left));
    Box::pin(async move {
        let _ = is_up.await;
    })
}

/// A screen that runs, and everything around it.
struct Scene {
    fake: FakeService,
    wanted: watch::Sender<Option<Notification>>,
    service: watch::Sender<Service>,
    pressed: mpsc::Sender<Pressed>,
    received: Received,
}

impl Scene {
    fn start() -> Self {
        let fake = FakeService::default();
        let (inputs, received) = inputs();
        let (wanted, wanted_told) = watch::channel(None);
        let (service, service_told) = watch::channel(Service::Running(1));
        let (pressed, pressed_told) = mpsc::channel(8);
        let screen = Screen::new(fake.clone(), patience, inputs);
        tokio::task::spawn_local(screen.run(wanted_told, service_told, pressed_told));
        Self { fake, wanted, service, pressed, received }
    }

    async fn want(&self, id: u64) {
        let notification = Notification {
            id: NotificationId(id),
            title: "title".to_owned(),
            body: "body".to_owned(),
            has_actions: true,
        };
        self.wanted.send_replace(Some(notification));
        settle().await;
    }

    async fn want_none(&self) {
        self.wanted.send_replace(None);
        settle().await;
    }

    async fn service(&self, service: Service) {
        self.service.send_replace(service);
        settle().await;
    }

    async fn press(&self, number: u32, answer: NotificationAnswer) {
        self.pressed.send((number, answer)).await.unwrap();
        settle().await;
    }

    /// The person presses, and the library hears it.
    async fn answer(&self, number: u32, answer: NotificationAnswer) {
        let listening = self.fake.0.borrow_mut().listening.remove(&number);
        listening.expect("somebody listens").send(answer).expect("somebody listens still");
        settle().await;
    }

    fn slow(&self, is_slow: bool) {
        self.fake.0.borrow_mut().is_slow = is_slow;
    }

    /// The service answers what it was asked first.
    async fn answers(&self, answer: Result<u32, NotifyError>) {
        let unanswered = self.fake.0.borrow_mut().unanswered.remove(0);
        // The request may have been given up.
        let _ = unanswered.send(answer);
        settle().await;
    }

    /// The service has had its time.
    async fn time_is_up(&self) {
        TIME.with_borrow_mut(Vec::clear);
        settle().await;
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.fake.0.borrow_mut().made)
    }

    /// What the controller was told since this was asked last.
    fn told(&mut self) -> Vec<Input> {
        let mut told = Vec::new();
        while let Some(Some(input)) = futures_util::FutureExt::now_or_never(self.received.next()) {
            told.push(input);
        }
        told
    }
}

/// Lets everything happen that can without time passing.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn missing(error: NotifyError) -> Input {
    Input::NotificationService(error.into())
}

fn works() -> Input {
    Input::NotificationService(Surface::Works)
}

fn click(id: u64, answer: NotificationAnswer) -> Input {
    Input::Notification { id: NotificationId(id), answer }
}

/// Runs a test with everything on one thread, as the notifications are.
async fn on_screen(test: impl AsyncFnOnce(&mut Scene)) {
    let run = async {
        let mut scene = Scene::start();
        settle().await;
        assert_eq!(scene.told(), [works()]);
        test(&mut scene).await;
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn one_is_shown_replaced_in_place_and_closed() {
    on_screen(async |scene| {
        scene.want(1).await;
        scene.want(2).await;
        scene.want_none().await;

        assert_eq!(scene.calls(), ["show 1", "replace 1 by 2", "close 1"]);
        assert_eq!(scene.told(), []);
    })
    .await;
}

#[tokio::test]
async fn a_newer_notification_waits_for_the_pending_answer() {
    on_screen(async |scene| {
        scene.slow(true);
        scene.want(1).await;
        scene.want(2).await;
        scene.want(3).await;
        assert_eq!(scene.calls(), ["show 1"], "one thing at a time");

        scene.answers(Ok(7)).await;

        assert_eq!(scene.calls(), ["replace 7 by 3"]);
    })
    .await;
}

#[tokio::test]
async fn a_press_is_reported_once_on_either_path() {
    on_screen(async |scene| {
        for (id, number) in [(1, 1), (2, 2)] {
            scene.want(id).await;
            if id == 1 {
                scene.press(number, NotificationAnswer::Deny).await;
                scene.press(number, NotificationAnswer::Closed).await;
            } else {
                scene.answer(number, NotificationAnswer::Deny).await;
                scene.press(number, NotificationAnswer::Deny).await;
            }

            assert_eq!(scene.told(), [click(id, NotificationAnswer::Deny)]);
        }
        let calls = ["show 1", "close 1", "show 2", "close 2"];
        assert_eq!(scene.calls(), calls, "what was answered is not shown again");
    })
    .await;
}

#[tokio::test]
async fn a_notification_that_was_answered_is_taken_away() {
    for answer in [NotificationAnswer::Review, NotificationAnswer::Deny] {
        on_screen(async |scene| {
            scene.want(1).await;

            scene.press(1, answer).await;

            assert_eq!(scene.calls(), ["show 1", "close 1"]);
        })
        .await;
    }
}

#[tokio::test]
async fn a_notification_that_the_service_closed_is_not_closed_again() {
    on_screen(async |scene| {
        scene.want(1).await;

        scene.press(1, NotificationAnswer::Closed).await;
        scene.want_none().await;

        assert_eq!(scene.calls(), ["show 1"]);
    })
    .await;
}

#[tokio::test]
async fn a_press_before_the_number_is_known_is_reported() {
    on_screen(async |scene| {
        scene.slow(true);
        scene.want(1).await;
        for number in 100..200 {
            scene.press(number, NotificationAnswer::Deny).await;
        }
        scene.press(5, NotificationAnswer::Review).await;

        scene.answers(Ok(5)).await;

        assert_eq!(scene.told(), [click(1, NotificationAnswer::Review)]);
    })
    .await;
}

#[tokio::test]
async fn a_press_during_a_replacement_is_for_the_replaced_one() {
    on_screen(async |scene| {
        scene.want(1).await;
        scene.slow(true);
        scene.want(2).await;

        scene.press(1, NotificationAnswer::Deny).await;
        scene.answers(Ok(1)).await;

        assert_eq!(scene.told(), [click(1, NotificationAnswer::Deny)]);
        scene.press(1, NotificationAnswer::Review).await;
        assert_eq!(scene.told(), [click(2, NotificationAnswer::Review)]);
    })
    .await;
}

#[tokio::test]
async fn presses_on_other_numbers_are_not_ours() {
    on_screen(async |scene| {
        scene.want(1).await;

        for number in [0, 2, u32::MAX] {
            scene.press(number, NotificationAnswer::Deny).await;
        }

        assert_eq!(scene.told(), []);
    })
    .await;
}

#[tokio::test]
async fn a_service_that_hangs_is_reported_once_and_left_alone() {
    on_screen(async |scene| {
        scene.slow(true);
        scene.want(1).await;

        scene.time_is_up().await;
        scene.want(2).await;
        scene.time_is_up().await;

        assert_eq!(scene.told(), [missing(NotifyError::NoAnswer)]);
        assert_eq!(scene.calls(), ["show 1"]);
    })
    .await;
}

#[tokio::test]
async fn a_service_that_answers_late_is_used_again() {
    on_screen(async |scene| {
        scene.slow(true);
        scene.want(1).await;
        scene.time_is_up().await;
        scene.want(2).await;

        scene.answers(Ok(4)).await;

        assert_eq!(scene.told(), [missing(NotifyError::NoAnswer), works()]);
        assert_eq!(scene.calls(), ["show 1", "replace 4 by 2"]);
    })
    .await;
}

#[tokio::test]
async fn a_service_that_replaces_a_hanging_one_is_asked() {
    on_screen(async |scene| {
        scene.slow(true);
        scene.want(1).await;
        scene.time_is_up().await;
        scene.slow(false);

        scene.service(Service::Running(2)).await;

        assert_eq!(scene.told(), [missing(NotifyError::NoAnswer), works()]);
        assert_eq!(scene.calls(), ["show 1", "show 1"]);
        scene.press(2, NotificationAnswer::Review).await;
        assert_eq!(scene.told(), [click(1, NotificationAnswer::Review)]);
    })
    .await;
}

#[tokio::test]
async fn a_restarted_service_shows_the_notification_again() {
    on_screen(async |scene| {
        scene.want(1).await;

        scene.service(Service::Missing(NotifyError::NoService)).await;
        scene.press(1, NotificationAnswer::Deny).await;
        scene.service(Service::Running(3)).await;

        assert_eq!(scene.told(), [missing(NotifyError::NoService), works()], "an old press does nothing");
        assert_eq!(scene.calls(), ["show 1", "show 1"]);
        scene.answer(2, NotificationAnswer::Review).await;
        assert_eq!(scene.told(), [click(1, NotificationAnswer::Review)]);
    })
    .await;
}

#[tokio::test]
async fn a_service_that_ends_while_it_is_asked_is_no_failure() {
    on_screen(async |scene| {
        scene.slow(true);
        scene.want(1).await;
        scene.service(Service::Running(2)).await;
        scene.slow(false);

        scene.answers(Err(NotifyError::NoAnswer)).await;

        assert_eq!(scene.calls(), ["show 1", "show 1"]);
        assert_eq!(scene.told(), []);
    })
    .await;
}

#[tokio::test]
async fn an_answer_of_an_ended_service_is_sent_again() {
    on_screen(async |scene| {
        scene.slow(true);
        scene.want(1).await;
        scene.service(Service::Running(2)).await;
        scene.slow(false);

        scene.answers(Ok(9)).await;

        assert_eq!(scene.calls(), ["show 1", "replace 9 by 1"], "in place, should the new one have it");
    })
    .await;
}

#[tokio::test]
async fn a_service_started_by_the_request_is_asked_once() {
    on_screen(async |scene| {
        scene.service(Service::Startable(2)).await;
        scene.slow(true);
        scene.want(1).await;
        scene.service(Service::Running(3)).await;

        scene.answers(Ok(1)).await;

        assert_eq!(scene.calls(), ["show 1"]);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_reported_and_not_retried() {
    on_screen(async |scene| {
        scene.slow(true);
        scene.want(1).await;

        scene.answers(Err(NotifyError::Refused)).await;
        scene.time_is_up().await;

        assert_eq!(scene.told(), [missing(NotifyError::Refused)]);
        assert_eq!(scene.calls(), ["show 1"]);
        scene.slow(false);
        scene.want(2).await;
        assert_eq!((scene.calls(), scene.told()), (vec!["show 2".to_owned()], vec![works()]));
    })
    .await;
}

#[tokio::test]
async fn a_failed_replacement_is_shown_as_a_new_notification() {
    on_screen(async |scene| {
        scene.want(1).await;
        scene.slow(true);
        scene.want(2).await;

        scene.answers(Err(NotifyError::Refused)).await;
        scene.answers(Ok(8)).await;

        assert_eq!(scene.calls(), ["show 1", "replace 1 by 2", "show 2"]);
        assert_eq!(scene.told(), []);
    })
    .await;
}

#[tokio::test]
async fn without_a_service_nothing_is_asked() {
    on_screen(async |scene| {
        scene.service(Service::Missing(NotifyError::NoBus)).await;

        scene.want(1).await;

        assert_eq!(scene.calls(), Vec::<String>::new());
        assert_eq!(scene.told(), [missing(NotifyError::NoBus)]);
    })
    .await;
}

#[tokio::test]
async fn a_notification_closed_while_pending_is_closed_later() {
    on_screen(async |scene| {
        scene.slow(true);
        scene.want(1).await;
        scene.want_none().await;

        scene.answers(Ok(3)).await;

        assert_eq!(scene.calls(), ["show 1", "close 3"]);
    })
    .await;
}
