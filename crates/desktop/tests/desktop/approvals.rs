//! Which requests of agents are one dialog, what comes and goes in it, and what its outcomes lead to.

use tidegate_desktop_core::approvals::{MAX_TOGETHER, SessionName};
use tidegate_desktop_core::controller::UNASKED_EVERY;
use tidegate_desktop_core::dialog::{ApprovalsDialog, ApprovalsOutcome, Attention, Dialog, DialogId};
use tidegate_desktop_core::shell::{DialogRequest, Effect, Input, Page, Queue, Work};
use tidegate_desktop_core::tray_menu::{MenuEntry, TrayCommand};
use tidegate_protocol::payload::permissions::{ApprovalVerdict, PermissionOffer};
use tidegate_trust::approval::PendingApproval;

use crate::support::{
    Desktop, at, command, decisions, opened, opened_approvals, opened_one, side_by_side, task, tray,
};

const TASK: &str = "task";

fn three() -> Vec<PendingApproval> {
    (1..=3).map(|number| side_by_side(number, TASK, at(u64::from(number)))).collect()
}

fn ids(dialog: &ApprovalsDialog) -> Vec<&str> {
    dialog.items.iter().map(|item| item.id.as_str()).collect()
}

/// What was decided, by the approval's number.
fn verdicts(effects: &[Effect]) -> Vec<(String, ApprovalVerdict)> {
    let resolved = effects.iter().filter_map(|effect| match effect {
        Effect::Resolve { approval, verdict, digest, .. } => {
            let number = approval.trim_start_matches("command-");
            assert_eq!(*digest, format!("digest of make {number}"), "what was drawn");
            Some((number.to_owned(), verdict.clone()))
        }
        _ => None,
    });
    resolved.collect()
}

fn denial() -> ApprovalVerdict {
    ApprovalVerdict::Deny { words: None, stop: false }
}

fn updated(effects: &[Effect]) -> Option<(DialogId, ApprovalsDialog)> {
    effects.iter().find_map(|effect| match effect {
        Effect::UpdateDialog { id, dialog: Dialog::Approvals(dialog) } => Some((*id, *dialog.clone())),
        _ => None,
    })
}

#[test]
fn a_command_is_run_once_allowed_in_the_folder_or_denied() {
    let allowed = |permission| {
        let mut desktop = Desktop::ready();
        let (dialog, ..) = opened_approvals(&desktop.tell(&[], &[side_by_side(1, TASK, at(0))]));
        verdicts(&desktop.allow(dialog, &["command-1"], permission))
    };
    let contained = ApprovalVerdict::Permit { offer: PermissionOffer::Contained };

    assert_eq!(allowed(None), [("1".to_owned(), ApprovalVerdict::AllowOnce)]);
    assert_eq!(allowed(Some(PermissionOffer::Contained)), [("1".to_owned(), contained)]);
    assert_eq!(allowed(Some(PermissionOffer::Needs)), [], "it was not offered");
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &[command(1, at(0))]));
    assert_eq!(verdicts(&desktop.deny(dialog, &["command-1"])), [("1".to_owned(), denial())]);
}

#[test]
fn requests_of_one_task_are_one_dialog_and_those_of_another_wait_behind() {
    let mut desktop = Desktop::ready();
    let waits = [three(), vec![side_by_side(4, "another", at(4)), command(5, at(5))]].concat();

    let (_, dialog, attention) = opened_approvals(&desktop.tell(&[], &waits));

    assert_eq!(ids(&dialog), ["command-1", "command-2", "command-3"]);
    assert_eq!((dialog.behind.as_str(), attention), ("2 more wait", Attention::Unasked));
}

#[test]
fn all_are_run_once_together() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &three()));

    let effects = desktop.allow(dialog, &["command-1", "command-2", "command-3"], None);

    let once = ["1", "2", "3"].map(|number| (number.to_owned(), ApprovalVerdict::AllowOnce));
    assert_eq!(verdicts(&effects), once);
    assert_eq!(opened(&effects), []);
}

#[test]
fn one_is_decided_alone_and_the_others_come_back_at_once() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &three()));

    let effects = desktop.deny(dialog, &["command-2"]);

    assert_eq!(verdicts(&effects), [("2".to_owned(), denial())]);
    let (rest, dialog, attention) = opened_approvals(&effects);
    assert_eq!((ids(&dialog), attention), (vec!["command-1", "command-3"], Attention::Asked));
    let early = desktop
        .decide(rest, ApprovalsOutcome::Allow { items: vec!["command-1".to_owned()], permission: None });
    assert_eq!(decisions(&early), [], "its button is dead again");
}

#[test]
fn what_comes_while_it_is_open_joins_it_without_disarming_the_rest() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &three()[..1]));
    desktop.millis += 1400;

    let (same, now) = updated(&desktop.tell(&[], &three())).expect("the others joined");
    assert_eq!((same, ids(&now)), (dialog, vec!["command-1", "command-2", "command-3"]));
    desktop.millis += 100;
    let first = vec!["command-1".to_owned()];
    let effects = desktop.decide(dialog, ApprovalsOutcome::Allow { items: first, permission: None });

    assert_eq!(verdicts(&effects), [("1".to_owned(), ApprovalVerdict::AllowOnce)]);
}

#[test]
fn what_has_just_come_is_not_approved_by_a_press_meant_for_the_others() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &three()[..2]));
    desktop.millis += 5000;
    desktop.tell(&[], &three());
    desktop.millis += 1499;

    let items = ["command-1", "command-2", "command-3"].map(str::to_owned).to_vec();
    let effects = desktop.decide(dialog, ApprovalsOutcome::Allow { items, permission: None });

    assert_eq!(decisions(&effects), []);
    let (_, again, _) = opened_approvals(&effects);
    assert_eq!(again.problem, "That was too quick. Read it, then decide.");
}

#[test]
fn what_ended_leaves_the_dialog_and_the_last_one_closes_it() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &three()));

    let (_, rest) = updated(&desktop.tell(&[], &three()[1..])).expect("one is gone");
    assert_eq!(ids(&rest), ["command-2", "command-3"]);
    let late = vec!["command-1".to_owned()];
    desktop.millis += 1500;
    let closed = desktop.tell(&[], &[]);

    assert!(closed.contains(&Effect::CloseDialog(dialog)));
    assert_eq!(desktop.decide(dialog, ApprovalsOutcome::Allow { items: late, permission: None }), []);
}

#[test]
fn a_folder_is_allowed_by_one_request_and_the_others_follow() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &three()));

    let contained = Some(PermissionOffer::Contained);
    let effects = desktop.allow(dialog, &["command-1", "command-2", "command-3"], contained);

    let permit = ApprovalVerdict::Permit { offer: PermissionOffer::Contained };
    assert_eq!(verdicts(&effects), [("1".to_owned(), permit)]);
    assert_eq!(opened(&effects), []);
    // The second is allowed by the permission; the third still waits.
    let (given, third) = (task(&effects), &three()[2..]);
    desktop.tell(&[], third);
    let after = desktop.done(given);
    assert_eq!(verdicts(&after), [("3".to_owned(), ApprovalVerdict::AllowOnce)]);
    let overtaken = desktop.fail(task(&after), "This no longer waits.");
    assert_eq!(overtaken, [Effect::ReadQueue], "the permission was for it, too");
}

#[test]
fn a_folder_that_could_not_be_allowed_leaves_everything_to_decide() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &three()));
    let contained = Some(PermissionOffer::Contained);
    let effects = desktop.allow(dialog, &["command-1", "command-2"], contained);
    assert_eq!(ids(&opened_approvals(&effects).1), ["command-3"]);

    let failed = desktop.fail(task(&effects), "the disk is full");

    let (_, again) = updated(&failed).expect("they are back");
    assert_eq!(ids(&again).len(), 3);
    assert_eq!(again.problem, "the disk is full");
}

#[test]
fn words_reach_the_agent_as_one_bounded_line() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &[command(1, at(0))]));

    let words = Some(format!("  Use the other\u{202e} file.\n{}", "x".repeat(600)));
    let items = vec!["command-1".to_owned()];
    let effects = desktop.decide(dialog, ApprovalsOutcome::Deny { items, words, stop: false });

    let [(_, ApprovalVerdict::Deny { words: Some(words), stop: false })] = &verdicts(&effects)[..] else {
        panic!("{effects:#?}")
    };
    assert!(words.starts_with("Use the other\\u{202e} file."), "{words}");
    assert_eq!(words.chars().count(), 500);
}

#[test]
fn a_run_is_stopped_once_and_nothing_else_of_it_comes_up() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &three()));
    desktop.millis += 60_000;

    let items = ["command-1", "command-2"].map(str::to_owned).to_vec();
    let effects = desktop.decide(dialog, ApprovalsOutcome::Deny { items, words: None, stop: true });

    let stopping = ApprovalVerdict::Deny { words: None, stop: true };
    assert_eq!(verdicts(&effects), [("1".to_owned(), stopping), ("2".to_owned(), denial())]);
    assert_eq!(opened(&effects), [], "the third goes with its run");
    assert!(effects.contains(&Effect::ReadQueue));
}

#[test]
fn a_flood_of_questions_is_one_dialog_in_ten_seconds_and_grouped() {
    let mut desktop = Desktop::ready();
    let mut comings = Vec::new();
    // A run asks, is denied and asks again, three times a second for a minute; another task asks beside it.
    for round in 0..180_u32 {
        let asks = |number: u32, task: &str| side_by_side(1000 + 3 * round + number, task, desktop.now());
        let waits = [asks(0, TASK), asks(1, TASK), asks(2, "another")];
        let effects = [desktop.tell(&[], &waits), desktop.wait(333)].concat();
        for (id, dialog, attention) in opened(&effects) {
            assert_eq!(attention, Attention::Unasked);
            let Dialog::Approvals(dialog) = dialog else { panic!("{dialog:#?}") };
            comings.push((desktop.millis, dialog.items.len()));
            let items: Vec<String> = ids(&dialog).into_iter().map(str::to_owned).collect();
            desktop.decide(id, ApprovalsOutcome::Deny { items, words: None, stop: false });
        }
    }

    assert!((5..=7).contains(&comings.len()), "{comings:?}");
    for pair in comings.windows(2) {
        assert!(u128::from(pair[1].0 - pair[0].0) + 333 >= UNASKED_EVERY.as_millis(), "{comings:?}");
    }
    assert!(comings.iter().all(|(_, together)| *together == 2), "{comings:?}");
}

#[test]
fn more_than_one_dialog_holds_follow_in_the_next() {
    let mut desktop = Desktop::ready();
    let count = u32::try_from(MAX_TOGETHER).expect("few") + 2;
    let waits: Vec<_> = (0..count).map(|number| side_by_side(number, TASK, at(u64::from(number)))).collect();

    let (dialog, shown, _) = opened_approvals(&desktop.tell(&[], &waits));
    assert_eq!((shown.items.len(), shown.behind.as_str()), (MAX_TOGETHER, "2 more wait"));
    let items: Vec<&str> = ids(&shown);
    desktop.deny(dialog, &items);
    let (_, next, _) = opened_approvals(&desktop.wait(10_000));

    assert_eq!(next.items.len(), 2);
}

#[test]
fn what_is_put_aside_stays_with_the_gateway_and_comes_back_when_it_is_asked_for() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &three()));

    let effects = desktop.decide(dialog, ApprovalsOutcome::Later);
    assert_eq!(decisions(&effects), []);
    assert_eq!(opened(&desktop.wait(60_000)), []);
    let (_, again, attention) = opened_approvals(
        &desktop.on(Input::DialogRequest(DialogRequest::Review(Some("command-2".to_owned())))),
    );

    assert_eq!((again.items.len(), attention), (3, Attention::Asked));
}

#[test]
fn a_request_for_one_that_is_shown_brings_its_dialog_to_the_front() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], &three()));

    let effects = desktop.on(Input::DialogRequest(DialogRequest::Review(Some("command-3".to_owned()))));

    assert_eq!(effects, [Effect::PresentDialog(dialog)]);
}

#[test]
fn sessions_are_shown_by_the_names_that_come_with_the_queue() {
    let mut desktop = Desktop::ready();
    let name = SessionName { chat: "Letters".to_owned(), subagent: None };
    let names = [("agent:main:main".to_owned(), name)].into();

    let effects = desktop.on(Input::Queue(Queue { commands: three(), names, ..Queue::default() }));

    let (_, dialog, _) = opened_approvals(&effects);
    assert!(dialog.items.iter().all(|item| item.fields.iter().any(|field| field.value == "Letters")));
}

#[test]
fn the_tray_says_what_ran_unasked_until_it_is_looked_at() {
    let mut desktop = Desktop::ready();
    let work = |unasked| Input::Work(Work { unasked, ..Work::default() });
    let has = |effects: &[Effect], label: &str| {
        let menu = tray(effects).expect("it changed");
        menu.entries
            .iter()
            .any(|entry| matches!(entry, MenuEntry::Command { label: shown, .. } if shown == label))
    };

    assert!(has(&desktop.on(work(3)), "3 commands ran contained"));
    let looked = desktop.on(Input::Tray(TrayCommand::ShowUnasked));
    assert_eq!(looked[0], Effect::OpenWindow(Page::Permissions));
    assert!(!tray(&looked).expect("it changed").offers(TrayCommand::ShowUnasked));
    assert!(has(&desktop.on(work(4)), "1 command ran contained"));
}

#[test]
fn asking_for_everything_begins_at_once_and_ends_only_by_the_dialog() {
    let mut desktop = Desktop::ready();

    let on = desktop.on(Input::Tray(TrayCommand::AskEverything));
    assert_eq!(on, [Effect::AskEverything { task: task(&on) }]);
    desktop.on(Input::Work(Work { asks_everything: true, ..Work::default() }));
    let off = desktop.on(Input::Tray(TrayCommand::UsePermissions));

    let (_, Dialog::Message(question)) = opened_one(&off) else { panic!("{off:#?}") };
    assert_eq!(question.heading, "Use your permissions again?");
    assert!(
        !off.iter().any(|effect| matches!(effect, Effect::UsePermissions { .. })),
        "a tray event is no person"
    );
}
