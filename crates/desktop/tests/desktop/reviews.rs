//! Which review dialog is open when, and what its outcomes lead to.

use tidegate_desktop_core::dialog::{Attention, Dialog, Extent, ReviewOutcome, Selection};
use tidegate_desktop_core::shell::{DialogRequest, Effect, HostState, Input};
use tidegate_desktop_core::tray_menu::TrayCommand;
use tidegate_protocol::Scope;
use tidegate_trust::decision::{Choice, GrantLifetime, Verdict};
use tidegate_trust::pairing::PendingQueue;
use tidegate_trust::{Level, ScopeSet};

use crate::support::{
    Desktop, at, command, decisions, device, device_ask, id, opened, opened_approvals, opened_one,
    opened_review, program_ask, ready, request, task, tray,
};

const APPROVE_ALL: Verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };

#[test]
fn a_request_opens_a_dialog_by_itself_without_the_keyboard() {
    let mut desktop = Desktop::ready();

    let effects = desktop.tell(&[device(1, desktop.now())], &[]);

    let (_, review, attention) = opened_review(&effects);
    assert_eq!(attention, Attention::Unasked);
    assert_eq!(review.code, "00000001");
    assert_eq!(review.behind, "");
}

#[test]
fn an_approval_decides_about_just_what_was_shown() {
    let mut desktop = Desktop::ready();
    let waits = device(1, desktop.now());
    let (dialog, ..) = opened_review(&desktop.tell(std::slice::from_ref(&waits), &[]));

    let effects = desktop.approve(dialog, Selection::default());

    let decided = Effect::Decide {
        task: task(&effects),
        request: id(1),
        digest: waits.details.digest(),
        verdict: APPROVE_ALL,
    };
    assert_eq!(decisions(&effects), [decided]);
    assert_eq!(opened(&effects), []);
}

#[test]
fn an_approval_before_the_button_is_armed_decides_nothing_and_shows_it_again() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));
    desktop.millis += 1499;

    let effects = desktop.review(dialog, ReviewOutcome::Approve(Selection::default()));

    assert_eq!(decisions(&effects), []);
    let (_, review, attention) = opened_review(&effects);
    assert_eq!(attention, Attention::Asked);
    assert_eq!(review.cautions[0], "That was too quick. Read it, then decide.");
}

#[test]
fn less_than_asked_a_level_and_a_shorter_time_are_passed_on() {
    let asked = [Scope::Read, Scope::Write, Scope::Pairing];
    let cases = [
        (
            Selection { scopes: Some(ScopeSet::from([Scope::Read])), ..Selection::default() },
            Verdict::Approve {
                choice: Choice::Scopes(ScopeSet::from([Scope::Read])),
                duration: GrantLifetime::Always,
            },
        ),
        (
            Selection {
                extent: Extent::Level(Level::Write),
                pairing: true,
                duration: GrantLifetime::UntilQuit,
                ..Selection::default()
            },
            Verdict::Approve {
                choice: Choice::Level { level: Level::Write, pairing: true },
                duration: GrantLifetime::UntilQuit,
            },
        ),
        (
            Selection { duration: GrantLifetime::Once, ..Selection::default() },
            Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Once },
        ),
    ];
    for (selection, expected) in cases {
        let mut desktop = Desktop::ready();
        let waits = request(1, device_ask(1, &asked), desktop.now());
        let (dialog, ..) = opened_review(&desktop.tell(&[waits], &[]));

        let effects = desktop.approve(dialog, selection);

        let [Effect::Decide { verdict, .. }] = &decisions(&effects)[..] else { panic!("{effects:#?}") };
        assert_eq!(verdict, &expected);
    }
}

#[test]
fn refusing_blocking_and_putting_aside_are_decided_at_once() {
    for (outcome, expected) in [
        (ReviewOutcome::Refuse, Verdict::Reject),
        (ReviewOutcome::Block, Verdict::Block),
        (ReviewOutcome::Later, Verdict::Later),
    ] {
        let mut desktop = Desktop::ready();
        let (dialog, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));

        let effects = desktop.review(dialog, outcome);

        let [Effect::Decide { verdict, request, .. }] = &decisions(&effects)[..] else {
            panic!("{effects:#?}")
        };
        assert_eq!((verdict, request), (&expected, &id(1)));
    }
}

#[test]
fn one_dialog_is_open_at_a_time_oldest_first_and_the_next_comes_by_itself_after_ten_seconds() {
    let mut desktop = Desktop::ready();
    let (second, first) = (device(2, at(20)), command(1, at(10)));
    desktop.millis = 30;
    let (dialog, ..) = opened_approvals(&desktop.tell(&[second], &[first]));

    desktop.millis += 1000;
    let after = desktop.deny(dialog, &["command-1"]);

    assert_eq!(opened(&after), []);
    assert_eq!(opened(&desktop.wait(8_999)), []);
    let (_, review, attention) = opened_review(&desktop.wait(1));
    assert_eq!((review.code.as_str(), attention), ("00000002", Attention::Unasked));
}

#[test]
fn what_the_person_asked_for_comes_at_once_with_the_keyboard_one_after_the_other() {
    let mut desktop = Desktop::ready();
    let waits = [device(1, at(0)), device(2, at(1)), device(3, at(2))];
    let (dialog, ..) = opened_review(&desktop.tell(&waits, &[]));

    let presented = desktop.on(Input::Tray(TrayCommand::ReviewRequests));
    assert_eq!(presented, [Effect::PresentDialog(dialog)]);

    let (dialog, review, attention) = opened_review(&desktop.review(dialog, ReviewOutcome::Refuse));
    assert_eq!((review.code.as_str(), attention), ("00000002", Attention::Asked));
    let (_, review, attention) = opened_review(&desktop.review(dialog, ReviewOutcome::Later));
    assert_eq!((review.code.as_str(), attention), ("00000003", Attention::Asked));
}

#[test]
fn what_was_put_aside_comes_back_only_when_it_is_asked_for() {
    let mut desktop = Desktop::ready();
    let waits = device(1, at(0));
    let (dialog, ..) = opened_review(&desktop.tell(std::slice::from_ref(&waits), &[]));
    desktop.review(dialog, ReviewOutcome::Later);
    assert_eq!(opened(&desktop.wait(60_000)), []);
    assert_eq!(opened(&desktop.tell(&[waits], &[])), []);

    let effects = desktop.on(Input::Tray(TrayCommand::ReviewRequests));

    let (dialog, _, attention) = opened_review(&effects);
    assert_eq!(attention, Attention::Asked);
    let again = desktop.review(dialog, ReviewOutcome::Later);
    assert_eq!(decisions(&again), [], "the gateway knows already");
}

#[test]
fn what_was_put_aside_elsewhere_does_not_come_up_by_itself() {
    let mut desktop = Desktop::ready();
    let mut waits = device(1, at(0));
    waits.later = true;

    let effects = desktop.tell(&[waits], &[]);

    assert_eq!(opened(&effects), []);
    assert!(tray(&effects).is_some_and(|menu| menu.offers(TrayCommand::ReviewRequests)));
}

#[test]
fn a_dialog_request_for_one_request_opens_that_one() {
    let mut desktop = Desktop::ready();
    let waits = [device(1, at(0)), device(2, at(1))];
    let (first, ..) = opened_review(&desktop.tell(&waits, &[]));

    let effects = desktop.on(Input::DialogRequest(DialogRequest::Review(Some(id(2)))));

    assert_eq!(effects[0], Effect::CloseDialog(first));
    let (second, review, attention) = opened_review(&effects);
    assert_eq!((review.code.as_str(), attention), ("00000002", Attention::Asked));
    assert_eq!(opened(&desktop.review(second, ReviewOutcome::Refuse)), [], "the other waits for its time");
}

#[test]
fn a_request_that_ended_elsewhere_closes_its_dialog_and_a_late_answer_decides_nothing() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));

    let effects = desktop.tell(&[], &[]);
    assert!(effects.contains(&Effect::CloseDialog(dialog)));

    let late = desktop.approve(dialog, Selection::default());
    assert_eq!(late, []);
}

#[test]
fn a_request_that_was_superseded_closes_and_an_answer_to_the_old_one_never_counts_for_the_new() {
    let mut desktop = Desktop::ready();
    let (old, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));
    desktop.on(Input::Tray(TrayCommand::ReviewRequests));
    let wider = request(9, device_ask(1, &[Scope::Admin]), at(5));

    let effects = desktop.tell(std::slice::from_ref(&wider), &[]);

    assert_eq!(effects[0], Effect::CloseDialog(old));
    let (new, review, attention) = opened_review(&effects);
    assert_eq!((review.code.as_str(), attention), ("00000009", Attention::Asked));
    let late = desktop.approve(old, Selection::default());
    assert_eq!(decisions(&late), []);
    let effects = desktop.approve(new, Selection::default());
    let [Effect::Decide { digest, .. }] = &decisions(&effects)[..] else { panic!("{effects:#?}") };
    assert_eq!(digest, &wider.details.digest());
}

#[test]
fn a_client_that_keeps_changing_its_request_takes_the_keyboard_once_in_ten_seconds_at_most() {
    let mut desktop = Desktop::ready();
    desktop.tell(&[device(1, at(0))], &[]);
    desktop.on(Input::Tray(TrayCommand::ReviewRequests));
    let mut taken = 0;
    for number in 10..60 {
        desktop.millis += 100;
        let scope = Scope::Other(format!("scope.{number}"));
        let effects = desktop.tell(&[request(number, device_ask(1, &[scope]), desktop.now())], &[]);
        let asked = |(_, _, attention): &(_, _, Attention)| *attention == Attention::Asked;
        taken += opened(&effects).iter().filter(|opened| asked(opened)).count();
    }

    assert_eq!(taken, 1, "in five seconds");
}

#[test]
fn the_count_and_the_time_left_change_without_disarming() {
    let mut desktop = Desktop::ready();
    let first = device(1, at(0));
    let (dialog, ..) = opened_review(&desktop.tell(std::slice::from_ref(&first), &[]));

    let effects = desktop.tell(&[first.clone(), device(2, at(1))], &[command(1, at(2))]);
    let again = desktop.tell(&[first.clone(), device(2, at(1))], &[command(1, at(2))]);

    let refreshed = Effect::RefreshDialog {
        id: dialog,
        behind: "2 more wait".to_owned(),
        expires_at: first.expires_at(),
    };
    assert!(effects.contains(&refreshed), "{effects:#?}");
    assert_eq!(again, []);
}

#[test]
fn a_request_whose_time_is_up_is_looked_at_again_and_closed() {
    let mut desktop = Desktop::ready();
    let waits = device(1, at(0));
    let (dialog, ..) = opened_review(&desktop.tell(std::slice::from_ref(&waits), &[]));

    let at_its_end = desktop.wait(5 * 60 * 1000);
    let told = desktop.tell(&[waits], &[]);

    assert!(at_its_end.contains(&Effect::ReadQueue));
    assert!(told.contains(&Effect::CloseDialog(dialog)));
}

#[test]
fn a_client_that_asks_again_keeps_its_dialog_alive_and_the_button_is_disarmed_again() {
    let mut desktop = Desktop::ready();
    let mut waiting = PendingQueue::default();
    let ask = device_ask(1, &[Scope::Read]);
    waiting.request_pairing(ask.clone(), id(1), at(0));
    let (dialog, ..) = opened_review(&desktop.tell(waiting.waiting(), &[]));
    waiting.request_pairing(ask, id(1), at(100_000));
    desktop.wait(5 * 60 * 1000);

    let effects = desktop.tell(waiting.waiting(), &[]);

    let [Effect::UpdateDialog { id: updated, dialog: Dialog::Review(review) }] = &effects[..] else {
        panic!("{effects:#?}")
    };
    assert_eq!((*updated, review.expires_at), (dialog, at(400_000).wall));
    let too_quick = desktop.review(dialog, ReviewOutcome::Approve(Selection::default()));
    assert_eq!(decisions(&too_quick), []);
}

#[test]
fn a_program_gets_a_token_of_its_own_that_is_shown_once() {
    let mut desktop = Desktop::ready();
    let waits = request(1, program_ask(1, &[Scope::Admin]), desktop.now());
    let digest = waits.details.digest();
    let (dialog, ..) = opened_review(&desktop.tell(&[waits], &[]));

    let selection = Selection { extent: Extent::Level(Level::Full), own_token: true, ..Selection::default() };
    let effects = desktop.approve(dialog, selection);

    let given = Effect::GiveToken {
        task: task(&effects),
        request: id(1),
        digest,
        name: "laptop 1 00000001".to_owned(),
        level: Level::Full,
        pairing: false,
    };
    assert_eq!(decisions(&effects), [given]);
    let secret = tidegate_desktop_core::dialog::Secret::new("tg_secret".to_owned());
    let done = Input::Done { task: task(&effects), result: Ok(Some(secret.clone())) };
    let (_, shown) = opened_one(&desktop.on(done.clone()));
    let Dialog::Token(shown) = shown else { panic!("{shown:#?}") };
    assert_eq!((shown.heading.as_str(), shown.token), ("The token for \"laptop 1 00000001\"", secret));
    assert_eq!(desktop.on(done), [], "an answer counts once");
}

#[test]
fn full_control_with_the_shared_token_is_refused_with_what_to_choose() {
    let mut desktop = Desktop::ready();
    let waits = request(1, program_ask(1, &[Scope::Admin]), desktop.now());
    let (dialog, ..) = opened_review(&desktop.tell(&[waits], &[]));

    let selection = Selection { extent: Extent::Level(Level::Full), ..Selection::default() };
    let effects = desktop.approve(dialog, selection);

    assert_eq!(decisions(&effects), []);
    let (_, review, _) = opened_review(&effects);
    assert!(review.cautions[0].contains("only with a token of its own"), "{:?}", review.cautions);
}

#[test]
fn an_approval_that_fails_comes_back_with_the_reason() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));
    let effects = desktop.approve(dialog, Selection::default());

    let failed = desktop.fail(task(&effects), "the store is full");

    let (again, review, attention) = opened_review(&failed);
    assert_eq!((review.cautions[0].as_str(), attention), ("the store is full", Attention::Asked));
    assert_eq!(decisions(&desktop.approve(again, Selection::default())).len(), 1);
}

#[test]
fn an_approval_of_something_that_ended_meanwhile_is_reported() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));
    let effects = desktop.approve(dialog, Selection::default());
    desktop.tell(&[], &[]);

    let (_, told) = opened_one(&desktop.fail(task(&effects), "unknown requestId"));

    let Dialog::Message(message) = told else { panic!("{told:#?}") };
    assert_eq!(message.heading, "That did not work.");
    assert_eq!(message.text, "Nothing was allowed: unknown requestId");
}

#[test]
fn a_refusal_of_something_that_ended_meanwhile_is_no_problem() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));
    let effects = desktop.review(dialog, ReviewOutcome::Refuse);
    desktop.tell(&[], &[]);

    assert_eq!(desktop.fail(task(&effects), "unknown requestId"), []);
}

#[test]
fn what_is_decided_is_gone_from_the_tray_before_the_queue_says_so() {
    let mut desktop = Desktop::ready();
    let waits = device(1, at(0));
    let (dialog, ..) = opened_review(&desktop.tell(std::slice::from_ref(&waits), &[]));

    let effects = desktop.approve(dialog, Selection::default());
    let menu = tray(&effects).expect("it changed");
    let late = desktop.tell(&[waits], &[]);
    desktop.done(task(&effects));

    assert!(!menu.offers(TrayCommand::ReviewRequests));
    assert_eq!(opened(&late), [], "a queue from before the decision opens nothing");
}

#[test]
fn while_the_screen_is_locked_nothing_comes_up_by_itself() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::Screen { is_locked: true });

    let mut effects = desktop.tell(&[device(1, at(0))], &[]);
    effects.extend(desktop.wait(60_000));
    assert_eq!(opened(&effects), []);

    let (_, _, attention) = opened_review(&desktop.on(Input::Screen { is_locked: false }));
    assert_eq!(attention, Attention::Unasked);
}

#[test]
fn dialogs_stay_open_while_the_gateway_restarts() {
    let mut desktop = Desktop::ready();
    let waits = [device(1, at(0)), device(2, at(1))];
    let (dialog, ..) = opened_review(&desktop.tell(&waits, &[]));
    let reason = "the listener ended".to_owned();
    let pause = std::time::Duration::from_secs(1);

    let effects = desktop.on(Input::Host(HostState::BackingOff { pause, reason }));

    assert!(!effects.contains(&Effect::CloseDialog(dialog)), "{effects:?}");
    assert_eq!(opened(&effects), []);
    let lines = format!("{:?}", tray(&effects).expect("it changed").entries);
    assert!(lines.contains("the listener ended"), "{lines}");
    assert!(!desktop.on(Input::Host(HostState::Starting)).contains(&Effect::CloseDialog(dialog)));
    assert_eq!(desktop.on(Input::Host(ready()))[0], Effect::ReadQueue);
    let effects = desktop.tell(&waits, &[]);
    assert!(!effects.contains(&Effect::CloseDialog(dialog)), "it waits under the same id");
    let effects = desktop.approve(dialog, Selection::default());
    assert!(matches!(effects[0], Effect::Decide { .. }), "{effects:?}");
}

#[test]
fn a_gateway_that_fails_for_good_closes_the_dialogs_of_its_requests() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_review(&desktop.tell(&[device(1, at(0)), device(2, at(1))], &[]));

    let effects = desktop.on(Input::Host(HostState::Failed("the listener ended".to_owned())));

    assert!(effects.contains(&Effect::CloseDialog(dialog)));
    assert_eq!(
        opened(&desktop.tell(&[device(1, at(0))], &[])),
        [],
        "what is reported late is of the old gateway"
    );
    assert_eq!(desktop.on(Input::Host(ready()))[0], Effect::ReadQueue);
}
