//! Notifications: what they say, and how little an answer can do.

use tidegate_desktop_core::controller::NOTIFY_EVERY;
use tidegate_desktop_core::dialog::{Dialog, ReviewOutcome};
use tidegate_desktop_core::shell::{
    Effect, HostState, Input, Notification, NotificationAnswer, NotificationId, Surface,
};
use tidegate_desktop_core::tray_menu::TrayCommand;
use tidegate_protocol::Scope;
use tidegate_protocol::payload::permissions::ApprovalVerdict;
use tidegate_trust::decision::Verdict;

use crate::support::{
    Desktop, at, command, decisions, device, device_ask, id, notified, opened, opened_approvals,
    opened_review, request, task,
};

const FIVE_SECONDS: u64 = 5_000;

fn missing() -> Surface {
    Surface::Missing("no notification service answers".to_owned())
}

#[test]
fn a_notification_says_how_many_wait_and_nothing_from_outside() {
    let mut desktop = Desktop::ready();

    let told = notified(&desktop.tell(&[device(1, at(0)), device(2, at(0))], &[command(1, at(0))]));

    let told = told.expect("it was shown");
    let expected = Notification {
        id: told.id,
        title: "Waiting for you: 3 decisions".to_owned(),
        body: "2 devices or programs want to pair. An agent wants to run a command.".to_owned(),
        has_actions: true,
    };
    assert_eq!(told, expected);
}

#[test]
fn a_further_request_replaces_the_notification_once_a_few_seconds_have_passed() {
    assert_eq!(u64::try_from(NOTIFY_EVERY.as_millis()), Ok(FIVE_SECONDS));
    let mut desktop = Desktop::ready();
    let first = notified(&desktop.tell(&[device(1, at(0))], &[])).expect("it was shown");

    let at_once = notified(&desktop.tell(&[device(1, at(0)), device(2, at(0))], &[]));
    let too_soon = notified(&desktop.wait(FIVE_SECONDS - 1));
    let later = notified(&desktop.wait(1)).expect("it was shown");

    assert_eq!((at_once, too_soon), (None, None));
    assert_ne!(later.id, first.id);
    assert_eq!(later.body, "2 devices or programs want to pair.");
    assert_eq!(notified(&desktop.wait(60_000)), None, "nobody is notified twice");
}

#[test]
fn review_brings_the_open_dialog_to_the_front() {
    let mut desktop = Desktop::ready();
    let effects = desktop.tell(&[device(1, at(0))], &[]);
    let (dialog, ..) = opened_review(&effects);
    let told = notified(&effects).expect("it was shown");

    let effects = desktop.answer(told.id, NotificationAnswer::Review);

    assert_eq!(effects, [Effect::CloseNotification, Effect::PresentDialog(dialog)]);
}

#[test]
fn deny_refuses_just_what_the_notification_told_of() {
    let mut desktop = Desktop::ready();
    let (first, runs) = (device(1, at(0)), command(1, at(0)));
    let told = notified(&desktop.tell(std::slice::from_ref(&first), std::slice::from_ref(&runs)));
    let newer = device(2, at(1));
    desktop.tell(&[first.clone(), newer], std::slice::from_ref(&runs));

    let effects = desktop.answer(told.expect("it was shown").id, NotificationAnswer::Deny);

    let decided = decisions(&effects);
    assert_eq!(decided.len(), 2, "{decided:#?}");
    assert!(decided.iter().any(|effect| matches!(effect,
        Effect::Decide { request, digest, verdict: Verdict::Reject, .. }
            if *request == id(1) && *digest == first.details.digest())));
    assert!(decided.iter().any(|effect| matches!(effect,
        Effect::Resolve { approval, verdict: ApprovalVerdict::Deny { .. }, .. } if approval == "command-1")));
}

#[test]
fn deny_does_not_touch_a_request_that_replaced_the_one_it_told_of() {
    let mut desktop = Desktop::ready();
    let told = notified(&desktop.tell(&[device(1, at(0))], &[])).expect("it was shown");
    desktop.tell(&[request(2, device_ask(1, &[Scope::Admin]), at(1))], &[]);

    let effects = desktop.answer(told.id, NotificationAnswer::Deny);

    assert_eq!(decisions(&effects), []);
}

#[test]
fn deny_closes_the_dialog_of_what_it_refuses() {
    let mut desktop = Desktop::ready();
    let effects = desktop.tell(&[device(1, at(0))], &[]);
    let (dialog, ..) = opened_review(&effects);
    let told = notified(&effects).expect("it was shown");

    let effects = desktop.answer(told.id, NotificationAnswer::Deny);

    assert!(effects.contains(&Effect::CloseDialog(dialog)));
    assert_eq!(desktop.approve(dialog, Default::default()), []);
}

#[test]
fn a_denial_that_fails_leaves_the_request_waiting() {
    let mut desktop = Desktop::ready();
    let told = notified(&desktop.tell(&[device(1, at(0))], &[])).expect("it was shown");
    let effects = desktop.answer(told.id, NotificationAnswer::Deny);

    desktop.fail(task(&effects), "the store is full");

    opened_review(&desktop.wait(10_000));
}

#[test]
fn forged_and_old_answers_refuse_nothing_and_review_only_opens_the_dialog() {
    let mut desktop = Desktop::ready();
    let effects = desktop.tell(&[device(1, at(0))], &[]);
    let (dialog, ..) = opened_review(&effects);
    let old = notified(&effects).expect("it was shown");
    desktop.tell(&[device(1, at(0)), device(2, at(1))], &[]);
    let new = notified(&desktop.wait(FIVE_SECONDS)).expect("it was replaced");

    let forged = (0..100).chain([u64::MAX]).map(NotificationId).filter(|&id| id != new.id);
    for id in forged.chain([old.id]) {
        assert_eq!(desktop.answer(id, NotificationAnswer::Deny), [], "{id:?}");
        assert_eq!(desktop.answer(id, NotificationAnswer::Closed), [], "{id:?}");
        assert_eq!(desktop.answer(id, NotificationAnswer::Review), [Effect::PresentDialog(dialog)]);
    }
}

#[test]
fn a_notification_that_was_answered_or_closed_cannot_be_answered_again() {
    for answer in [NotificationAnswer::Closed, NotificationAnswer::Review] {
        let mut desktop = Desktop::ready();
        let told = notified(&desktop.tell(&[device(1, at(0))], &[])).expect("it was shown");
        desktop.answer(told.id, answer);

        assert_eq!(decisions(&desktop.answer(told.id, NotificationAnswer::Deny)), [], "{answer:?}");
    }
}

#[test]
fn a_notification_is_taken_away_when_nothing_that_it_told_of_waits() {
    let mut desktop = Desktop::ready();
    desktop.tell(&[device(1, at(0)), device(2, at(0))], &[]);

    let one_left = desktop.tell(&[device(1, at(0))], &[]);
    let none_left = desktop.tell(&[], &[]);

    assert!(!one_left.contains(&Effect::CloseNotification));
    assert!(none_left.contains(&Effect::CloseNotification));
}

#[test]
fn what_the_person_put_aside_needs_no_notification_any_more() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));

    let effects = desktop.review(dialog, ReviewOutcome::Later);

    assert!(effects.contains(&Effect::CloseNotification));
}

#[test]
fn without_a_notification_service_the_dialog_comes_and_a_service_that_appears_is_reported() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::NotificationService(missing()));

    let effects = desktop.tell(&[device(1, at(0))], &[]);
    assert_eq!(notified(&effects), None);
    opened_review(&effects);

    let told = notified(&desktop.on(Input::NotificationService(Surface::Works)));
    assert!(told.is_some_and(|told| told.has_actions));
}

#[test]
fn a_service_that_was_restarted_has_the_same_notification() {
    let mut desktop = Desktop::ready();
    let old = notified(&desktop.tell(&[device(1, at(0))], &[])).expect("it was shown");
    desktop.millis += FIVE_SECONDS;
    desktop.on(Input::NotificationService(missing()));

    let effects = desktop.on(Input::NotificationService(Surface::Works));

    assert_eq!(notified(&effects), None, "the shell shows it until it is answered");
    assert_eq!(decisions(&desktop.answer(old.id, NotificationAnswer::Deny)).len(), 1);
}

#[test]
fn what_ended_while_the_screen_was_locked_is_reported_in_one_notification_and_was_not_decided() {
    let mut desktop = Desktop::ready();
    let mut effects = desktop.on(Input::Screen { is_locked: true });
    effects.extend(desktop.tell(&[device(1, at(0)), device(2, at(0))], &[command(1, at(0))]));
    effects.extend(desktop.wait(1000));
    effects.extend(desktop.tell(&[device(2, at(0))], &[command(1, at(0))]));
    effects.extend(desktop.tell(&[], &[]));
    assert_eq!((notified(&effects), decisions(&effects), opened(&effects)), (None, vec![], vec![]));

    let told = notified(&desktop.on(Input::Screen { is_locked: false })).expect("it is reported");

    let expected = Notification {
        id: told.id,
        title: "Tidegate: while you were away".to_owned(),
        body: "2 requests and 1 request of an agent ended while the screen was locked.".to_owned(),
        has_actions: false,
    };
    assert_eq!(told, expected);
    assert_eq!(notified(&desktop.wait(60_000)), None);
}

#[test]
fn what_ended_and_what_waits_are_reported_together_after_the_screen_is_unlocked() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::Screen { is_locked: true });
    desktop.tell(&[device(1, at(0)), device(2, at(0))], &[]);
    desktop.tell(&[device(2, at(0))], &[]);

    let told = notified(&desktop.on(Input::Screen { is_locked: false })).expect("it is reported");

    assert_eq!(told.title, "Waiting for you: 1 decision");
    assert_eq!(told.body, "1 device or program wants to pair. 1 request ended while the screen was locked.");
}

#[test]
fn a_request_that_was_replaced_while_the_screen_was_locked_did_not_end() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::Screen { is_locked: true });
    desktop.tell(&[device(1, at(0))], &[]);
    desktop.tell(&[request(2, device_ask(1, &[Scope::Admin]), at(1))], &[]);

    let told = notified(&desktop.on(Input::Screen { is_locked: false })).expect("it is reported");

    assert_eq!(told.body, "1 device or program wants to pair.");
}

#[test]
fn the_notification_of_a_gateway_that_ended_is_taken_away() {
    let mut desktop = Desktop::ready();
    let told = notified(&desktop.tell(&[device(1, at(0))], &[])).expect("it was shown");

    let effects = desktop.on(Input::Host(HostState::Failed("out of file descriptors".to_owned())));

    assert!(effects.contains(&Effect::CloseNotification));
    assert_eq!(decisions(&desktop.answer(told.id, NotificationAnswer::Deny)), []);
}

fn let_in(desktop: &mut Desktop, count: u64) -> Vec<Effect> {
    desktop.on(Input::DecidedByClients { let_in: count, refused: 0 })
}

#[test]
fn what_a_client_decided_is_reported_without_buttons_and_without_words_from_outside() {
    let mut desktop = Desktop::ready();

    let told = notified(&let_in(&mut desktop, 1)).expect("it was shown");

    let expected = Notification {
        id: told.id,
        title: "Tidegate: decided without you".to_owned(),
        body: "A client with permission to manage pairing has approved 1 device or program. Look at Devices."
            .to_owned(),
        has_actions: false,
    };
    assert_eq!(told, expected);
    assert_eq!(notified(&desktop.wait(60_000)), None, "nobody is notified twice");
    assert_eq!(desktop.answer(told.id, NotificationAnswer::Deny), [Effect::CloseNotification]);
}

#[test]
fn what_clients_decided_in_a_few_seconds_is_summed_into_one_notification() {
    let mut desktop = Desktop::ready();
    let first = notified(&let_in(&mut desktop, 1)).expect("it was shown");
    desktop.answer(first.id, NotificationAnswer::Closed);

    let at_once = [
        let_in(&mut desktop, 2),
        desktop.on(Input::DecidedByClients { let_in: 0, refused: 1 }),
        desktop.wait(FIVE_SECONDS - 1),
    ]
    .concat();
    let later = notified(&desktop.wait(1)).expect("it was shown");

    assert_eq!(notified(&at_once), None);
    assert_eq!(
        later.body,
        "A client with permission to manage pairing has approved 2 devices or programs and rejected 1. Look at Devices."
    );
}

#[test]
fn a_client_that_only_refused_is_reported_too() {
    let mut desktop = Desktop::ready();

    let told =
        notified(&desktop.on(Input::DecidedByClients { let_in: 0, refused: 2 })).expect("it was shown");

    let body =
        "A client with permission to manage pairing has rejected 2 devices or programs. Look at Devices.";
    assert_eq!(told.body, body);
}

#[test]
fn what_a_client_decided_stays_told_in_the_notification_that_takes_the_place_of_the_first() {
    let mut desktop = Desktop::ready();
    let_in(&mut desktop, 1);
    desktop.tell(&[device(1, at(0))], &[]);

    let told = notified(&desktop.wait(FIVE_SECONDS)).expect("it was shown");

    assert_eq!(told.title, "Waiting for you: 1 decision");
    assert_eq!(
        told.body,
        "1 device or program wants to pair. A client with permission to manage pairing has approved 1 device or \
         program. Look at Devices."
    );
    assert!(told.has_actions);
}

#[test]
fn what_a_client_decided_is_reported_again_when_its_notification_goes_because_nothing_waits_any_more() {
    let mut desktop = Desktop::ready();
    let_in(&mut desktop, 1);
    desktop.tell(&[device(1, at(0))], &[]);
    desktop.wait(FIVE_SECONDS);

    let gone = desktop.tell(&[], &[]);
    let told = notified(&desktop.wait(FIVE_SECONDS)).expect("it was shown");

    assert!(gone.contains(&Effect::CloseNotification));
    assert_eq!(told.title, "Tidegate: decided without you");
}

#[test]
fn what_a_client_decided_is_kept_while_the_screen_is_locked_and_while_the_service_is_missing() {
    let lock = [Input::Screen { is_locked: true }, Input::Screen { is_locked: false }];
    let service = [missing(), Surface::Works].map(Input::NotificationService);
    for [away, back] in [lock, service] {
        let mut desktop = Desktop::ready();
        desktop.on(away.clone());

        let silent = [let_in(&mut desktop, 1), let_in(&mut desktop, 1), desktop.wait(60_000)].concat();
        let told = notified(&desktop.on(back)).expect("it is reported");

        assert_eq!(notified(&silent), None, "{away:?}");
        assert!(told.body.contains("has approved 2 devices or programs."), "{told:?}");
    }
}

#[test]
fn what_a_client_decided_outlives_the_gateway() {
    let mut desktop = Desktop::ready();
    let_in(&mut desktop, 1);
    desktop.wait(FIVE_SECONDS);

    let failed = desktop.on(Input::Host(HostState::Failed("out of file descriptors".to_owned())));
    let after = notified(&failed).expect("it is reported");

    assert!(failed.contains(&Effect::CloseNotification));
    assert!(after.body.contains("has approved 1 device or program."), "{after:?}");
}

#[test]
fn thousands_of_decisions_of_clients_lead_to_few_notifications_that_tell_of_all() {
    let mut desktop = Desktop::ready();
    let mut told = Vec::new();
    for _ in 0..6_000 {
        told.extend(notified(&let_in(&mut desktop, 1)));
        told.extend(notified(&desktop.wait(10)));
    }
    told.extend(notified(&desktop.wait(FIVE_SECONDS)));

    assert!(told.len() <= 14, "{} in a minute", told.len());
    let last = told.last().expect("some were shown");
    assert!(last.body.contains("has approved 6000 devices or programs."), "{last:?}");
}

#[test]
fn two_hundred_requests_in_a_minute_lead_to_few_notifications_and_one_dialog() {
    let mut desktop = Desktop::ready();
    let (mut notifications, mut dialogs) = (0, 0);
    for number in 0..200_u8 {
        desktop.millis += 300;
        // The gateway holds eight at most; the oldest ends as the next comes.
        let waiting: Vec<_> =
            (number.saturating_sub(7)..=number).map(|number| device(number, at(0))).collect();
        let effects = desktop.tell(&waiting, &[]);
        notifications += usize::from(notified(&effects).is_some());
        dialogs += opened(&effects).len();
    }

    assert!(notifications <= 13, "{notifications} in a minute");
    assert!(dialogs <= 7, "{dialogs} in a minute");
}

fn agent_requests(desktop: &mut Desktop, approved: u64, denied: u64) -> Vec<Effect> {
    desktop.on(Input::AgentRequestsDecidedByClients { approved, approved_for_task: 0, denied })
}

#[test]
fn what_a_client_allowed_until_a_task_ends_is_notified_as_that() {
    for (approved_for_task, lasting) in
        [(1, "1 of these lasts until its task ends"), (2, "2 of these last until their tasks end")]
    {
        let mut desktop = Desktop::ready();
        let decided = Input::AgentRequestsDecidedByClients { approved: 2, approved_for_task, denied: 0 };

        let told = notified(&desktop.on(decided)).expect("it was shown");

        assert_eq!(
            told.body,
            format!(
                "A client with permission to decide about commands approved 2 requests of agents; {lasting}. Look at \
                 Requests and Permissions."
            )
        );
    }
}

#[test]
fn a_clients_decision_for_an_agent_is_notified() {
    let cases = [
        ((1, 0), "approved 1 request of an agent"),
        ((0, 2), "denied 2 requests of agents"),
        ((2, 1), "approved 2 requests of agents and denied 1"),
    ];
    for ((approved, denied), what) in cases {
        let mut desktop = Desktop::ready();

        let told = notified(&agent_requests(&mut desktop, approved, denied)).expect("it was shown");

        let expected = Notification {
            id: told.id,
            title: "Tidegate: decided without you".to_owned(),
            body: format!("A client with permission to decide about commands {what}. Look at Requests."),
            has_actions: false,
        };
        assert_eq!(told, expected);
    }
}

#[test]
fn decisions_about_devices_and_agents_share_a_notification() {
    let mut desktop = Desktop::ready();
    let first = notified(&let_in(&mut desktop, 1)).expect("it was shown");
    desktop.answer(first.id, NotificationAnswer::Closed);
    agent_requests(&mut desktop, 1, 0);
    let_in(&mut desktop, 1);

    let told = notified(&desktop.wait(FIVE_SECONDS)).expect("it was shown");

    assert_eq!(
        told.body,
        "A client with permission to manage pairing has approved 1 device or program. Look at Devices. \
         A client with permission to decide about commands approved 1 request of an agent. Look at Requests."
    );
}

/// The notification about two devices, which took the place of the one about the first.
fn replaced(desktop: &mut Desktop) -> Notification {
    let first = device(1, at(0));
    desktop.tell(std::slice::from_ref(&first), &[]);
    desktop.tell(&[first, device(2, at(1))], &[]);
    notified(&desktop.wait(FIVE_SECONDS)).expect("it was shown")
}

#[test]
fn deny_right_after_a_replacement_opens_the_dialog_instead() {
    let mut desktop = Desktop::ready();
    let shown = replaced(&mut desktop);
    desktop.millis += 1499;

    let effects = desktop.answer(shown.id, NotificationAnswer::Deny);

    assert_eq!(decisions(&effects), [], "it may have been meant for the one before");
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::PresentDialog(_) | Effect::OpenDialog { .. }))
    );
}

#[test]
fn deny_counts_once_the_replacement_could_be_read() {
    let mut desktop = Desktop::ready();
    let shown = replaced(&mut desktop);
    desktop.millis += 1500;

    assert_eq!(decisions(&desktop.answer(shown.id, NotificationAnswer::Deny)).len(), 2);
}

/// The connection lines were copied.
fn copied(desktop: &mut Desktop) -> Vec<Effect> {
    let copying = task(&desktop.on(Input::Tray(TrayCommand::CopyConnectionLines)));
    desktop.done(copying)
}

#[test]
fn copied_connection_lines_are_notified() {
    let mut desktop = Desktop::ready();

    let told = notified(&copied(&mut desktop)).expect("it was shown");

    let expected = Notification {
        id: told.id,
        title: "Connection lines copied".to_owned(),
        body: "Paste them into a terminal to connect OpenClaw's command line.".to_owned(),
        has_actions: false,
    };
    assert_eq!(told, expected);
    assert_eq!(notified(&desktop.wait(60_000)), None, "once");
}

#[test]
fn copied_connection_lines_are_said_beside_what_waits() {
    let mut desktop = Desktop::ready();
    desktop.tell(&[device(1, at(0))], &[]);
    copied(&mut desktop);

    let told = notified(&desktop.wait(FIVE_SECONDS)).expect("it was shown");

    assert!(told.has_actions);
    assert_eq!(told.title, "Waiting for you: 1 decision");
    assert!(told.body.ends_with(
        "Connection lines copied. Paste them into a terminal to connect OpenClaw's command line."
    ));
}

#[test]
fn without_notifications_a_message_says_what_was_copied() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::NotificationService(missing()));

    let effects = copied(&mut desktop);

    let [(_, Dialog::Message(said), _)] = &opened(&effects)[..] else { panic!("{effects:#?}") };
    assert_eq!(said.heading, "Connection lines copied");
}

#[test]
fn while_a_window_has_the_keyboard_nothing_that_waits_is_notified() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::WindowFocus { has_focus: true });

    let mut effects = desktop.tell(&[], &[command(1, at(0))]);
    effects.extend(desktop.wait(60_000));
    assert_eq!(notified(&effects), None, "the dialog is on the screen");

    let told = notified(&desktop.on(Input::WindowFocus { has_focus: false })).expect("it was shown");
    assert_eq!(told.body, "An agent wants to run a command.");
}

#[test]
fn what_was_decided_in_the_window_is_not_notified_afterwards() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::WindowFocus { has_focus: true });
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &[command(1, at(0))]));
    desktop.deny(dialog, &["command-1"]);

    assert_eq!(notified(&desktop.on(Input::WindowFocus { has_focus: false })), None);
}

#[test]
fn what_clients_decided_is_notified_beside_a_window_that_has_the_keyboard() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::WindowFocus { has_focus: true });
    desktop.tell(&[device(1, at(0))], &[]);

    let told =
        notified(&desktop.on(Input::DecidedByClients { let_in: 1, refused: 0 })).expect("it was shown");

    assert!(!told.has_actions, "it tells of nothing that waits");
    assert!(told.body.starts_with("A client with permission to manage pairing"), "{}", told.body);
}
