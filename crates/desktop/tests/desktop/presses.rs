//! Approving buttons that a program presses.

use tidegate_desktop_core::dialog::{
    ApprovalsOutcome, Dialog, DialogId, DialogOutcome, ReviewOutcome, Secret, Selection,
};
use tidegate_desktop_core::press::{Press, Synthetic};
use tidegate_desktop_core::shell::{DialogRequest, Effect, FileContent, FileToKeep, Input, Work};
use tidegate_protocol::payload::permissions::ApprovalVerdict;
use tidegate_trust::Level;

use crate::support::{Desktop, at, command, decisions, device, opened_approvals, opened_one, opened_review};

const BY_PROGRAM: Press = Press::Synthetic(Synthetic::TestDevice);
const REASON: &str = "Nothing was approved: a program pressed the button";

fn commands_beyond_contained(desktop: &mut Desktop, some: bool) {
    desktop.on(Input::Work(Work { has_commands_beyond_contained: some, ..Work::default() }));
}

fn press(desktop: &mut Desktop, id: DialogId, outcome: DialogOutcome, press: Press) -> Vec<Effect> {
    desktop.millis += 1500;
    desktop.on(Input::Dialog { id, outcome, press })
}

fn approve() -> DialogOutcome {
    DialogOutcome::Review(ReviewOutcome::Approve(Selection::default()))
}

fn allow() -> DialogOutcome {
    let items = vec!["command-1".to_owned()];
    DialogOutcome::Approvals(ApprovalsOutcome::Allow { items, permission: None })
}

fn recorded(about: &str, is_allowed: bool) -> Effect {
    Effect::AuditSyntheticPress { about: about.to_owned(), by: Synthetic::TestDevice, is_allowed }
}

#[test]
fn a_synthetic_approval_beside_a_command_is_refused() {
    let mut desktop = Desktop::ready();
    let (dialog, before, _) = opened_approvals(&desktop.tell(&[], &[command(1, at(0))]));
    commands_beyond_contained(&mut desktop, true);

    let effects = press(&mut desktop, dialog, allow(), BY_PROGRAM);

    assert_eq!(decisions(&effects), []);
    assert_eq!(effects[0], recorded("command-1", false));
    let (_, again, _) = opened_approvals(&effects);
    assert!(again.problem.starts_with(REASON), "{:?}", again.problem);
    assert_eq!(again.items, before.items);
}

#[test]
fn a_synthetic_approval_counts_when_every_command_is_contained() {
    let mut desktop = Desktop::ready();
    let waits = command(1, at(0));
    let (dialog, ..) = opened_approvals(&desktop.tell(&[], std::slice::from_ref(&waits)));
    let running = vec!["a run with contained commands".to_owned()];
    desktop.on(Input::Work(Work { running, ..Work::default() }));

    let effects = press(&mut desktop, dialog, allow(), BY_PROGRAM);

    assert_eq!(effects[0], recorded("command-1", true));
    assert!(matches!(&effects[1], Effect::Resolve { approval, verdict: ApprovalVerdict::AllowOnce, .. }
        if *approval == waits.id));
}

#[test]
fn the_press_of_a_device_counts_and_is_not_recorded() {
    let mut desktop = Desktop::ready();
    let (dialog, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));
    commands_beyond_contained(&mut desktop, true);

    let effects = press(&mut desktop, dialog, approve(), Press::Device);

    assert_eq!(decisions(&effects).len(), 1);
    assert!(
        !effects.iter().any(|effect| matches!(effect, Effect::AuditSyntheticPress { .. })),
        "{effects:#?}"
    );
}

#[test]
fn after_a_refusal_a_device_or_the_command_s_end_approves() {
    for (some, by) in [(true, Press::Device), (false, BY_PROGRAM)] {
        let mut desktop = Desktop::ready();
        let (dialog, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));
        commands_beyond_contained(&mut desktop, true);
        let (again, ..) = opened_review(&press(&mut desktop, dialog, approve(), BY_PROGRAM));
        commands_beyond_contained(&mut desktop, some);

        let effects = press(&mut desktop, again, approve(), by);

        assert_eq!(decisions(&effects).len(), 1, "{effects:#?}");
    }
}

#[test]
fn a_synthetic_press_may_always_refuse() {
    for outcome in [ReviewOutcome::Refuse, ReviewOutcome::Block] {
        let mut desktop = Desktop::ready();
        let (dialog, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));
        commands_beyond_contained(&mut desktop, true);

        let effects = press(&mut desktop, dialog, DialogOutcome::Review(outcome), BY_PROGRAM);

        assert_eq!(decisions(&effects).len(), 1);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::AuditSyntheticPress { .. })));
    }
}

#[test]
fn a_synthetic_press_makes_no_token_beside_a_command() {
    let mut desktop = Desktop::ready();
    let request = DialogRequest::NewToken { name: "backup".to_owned(), level: Level::Full, pairing: true };
    let (dialog, _) = opened_one(&desktop.on(Input::DialogRequest(request)));
    commands_beyond_contained(&mut desktop, true);

    let outcome = DialogOutcome::NewToken { name: "backup".to_owned(), level: Level::Full, pairing: true };
    let effects = press(&mut desktop, dialog, outcome, BY_PROGRAM);

    assert_eq!(effects[0], recorded("new token backup", false));
    let (_, again) = opened_one(&effects);
    let Dialog::NewToken(again) = again else { panic!("{again:#?}") };
    assert!(again.heading.starts_with(REASON), "{}", again.heading);
    assert_eq!((again.name.as_str(), again.level, again.pairing), ("backup", Level::Full, true));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::NewToken { .. })));
}

#[test]
fn a_synthetic_press_keeps_no_model_key_beside_a_command() {
    let mut desktop = Desktop::ready();
    let request =
        DialogRequest::ModelKey { id: "lab".to_owned(), base_url: "http://127.0.0.1:8080/v1".to_owned() };
    let (dialog, _) = opened_one(&desktop.on(Input::DialogRequest(request)));
    commands_beyond_contained(&mut desktop, true);

    let outcome = DialogOutcome::ModelKey {
        id: "lab".to_owned(),
        base_url: "http://192.0.2.1/v1".to_owned(),
        key: Secret::new("sk-1".to_owned()),
    };
    let effects = press(&mut desktop, dialog, outcome, BY_PROGRAM);

    assert_eq!(effects[0], recorded("model key lab", false));
    let (_, again) = opened_one(&effects);
    assert!(matches!(again, Dialog::ModelKey(again) if again.problem.starts_with(REASON)));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::KeepModelKey { .. })));
}

#[test]
fn a_synthetic_press_unblocks_nothing_beside_a_command() {
    let mut desktop = Desktop::ready();
    let request = DialogRequest::Unblock { id: "b-1".to_owned(), name: "old phone".to_owned() };
    let (dialog, _) = opened_one(&desktop.on(Input::DialogRequest(request)));
    commands_beyond_contained(&mut desktop, true);

    let effects = press(&mut desktop, dialog, DialogOutcome::Proceed, BY_PROGRAM);

    assert_eq!(effects[0], recorded("unblock b-1", false));
    let (_, told) = opened_one(&effects);
    assert!(matches!(told, Dialog::Message(told) if told.text.starts_with(REASON)));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Unblock { .. })));
}

#[test]
fn a_synthetic_press_takes_no_server_into_use_beside_a_command() {
    let mut desktop = Desktop::ready();
    let request = DialogRequest::TakeServer {
        model: "ollama/qwen3".to_owned(),
        owner: "/usr/bin/ollama (process 12, user 998)".to_owned(),
        user: "a system account".to_owned(),
        address: "127.0.0.1:11434".to_owned(),
    };
    let (dialog, _) = opened_one(&desktop.on(Input::DialogRequest(request)));
    commands_beyond_contained(&mut desktop, true);

    let effects = press(&mut desktop, dialog, DialogOutcome::Proceed, BY_PROGRAM);

    assert_eq!(effects[0], recorded("model server of ollama/qwen3", false));
    let (_, told) = opened_one(&effects);
    assert!(matches!(told, Dialog::Message(told) if told.text.starts_with(REASON)));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::TakeServer { .. })));
}

#[test]
fn a_synthetic_press_keeps_no_file_beside_a_command() {
    let mut desktop = Desktop::ready();
    let request = DialogRequest::KeepFile(Box::new(FileToKeep {
        id: "f-1".to_owned(),
        digest: "abcd".to_owned(),
        path: "a/.envrc".to_owned(),
        workspace: "/home/ada/work".to_owned(),
        reason: String::new(),
        effect: String::new(),
        content: FileContent::Binary,
    }));
    let (dialog, _) = opened_one(&desktop.on(Input::DialogRequest(request)));
    commands_beyond_contained(&mut desktop, true);

    let effects = press(&mut desktop, dialog, DialogOutcome::Proceed, BY_PROGRAM);

    assert_eq!(effects[0], recorded("keep file a/.envrc", false));
    let (_, told) = opened_one(&effects);
    assert!(matches!(told, Dialog::Message(told) if told.text.starts_with(REASON)));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::KeepFile { .. })));
}
