//! Attacks: names that lie, events that were forged.

use proptest::prelude::*;
use tidegate_desktop_core::approvals::{self, MAX_BLOCK, SessionName};
use tidegate_desktop_core::dialog::{
    ApprovalsDialog, Dialog, DialogId, DialogOutcome, Extent, FieldStyle, ReviewDialog, ReviewOutcome,
    Selection,
};
use tidegate_desktop_core::press::Press;
use tidegate_desktop_core::review;
use tidegate_desktop_core::shell::{DialogRequest, Effect, Input, Work};
use tidegate_desktop_core::tray_menu::TrayCommand;
use tidegate_protocol::{Scope, text};
use tidegate_trust::approval::{ApprovalRequest, FileAccess, Operation};
use tidegate_trust::decision::GrantLifetime;
use tidegate_trust::pairing::PairingRequest;
use tidegate_trust::records::{Claims, MAX_NAME};
use tidegate_trust::{Level, ScopeSet};

use crate::support::{
    Desktop, at, decisions, device, device_ask, notified, opened, opened_one, opened_review, program_ask,
    request, waiting,
};

const HOSTILE: [&str; 6] = [
    "%s%n%x <b>bold</b> & \"quoted\" {0} ${HOME} $(id)",
    "\u{202e}moc.elgoog",
    "nul\0bell\u{7}\u{1b}]0;title\u{7}",
    "line\nbreak\r\u{2028}separator",
    "\u{200b}\u{feff}\u{e0041}",
    "  Tidegate: approved by you  ",
];

fn claims(text: &str) -> Claims {
    Claims {
        display_name: Some(text.to_owned()),
        client_id: text.to_owned(),
        client_mode: text.to_owned(),
        version: text.to_owned(),
        platform: text.to_owned(),
        device_family: Some(text.to_owned()),
    }
}

fn hostile_ask(text: &str) -> PairingRequest {
    let ask = program_ask(1, &[Scope::Other(text.to_owned()), Scope::Read]);
    PairingRequest { claims: claims(text), role: text.to_owned(), from: text.to_owned(), ..ask }
}

fn hides(character: char) -> bool {
    character.is_control() || text::is_invisible(character)
}

/// Every text of a dialog, and whether it may have line breaks.
fn texts(dialog: &ReviewDialog) -> Vec<(String, bool)> {
    let mut texts =
        vec![(dialog.heading.clone(), false), (dialog.code.clone(), false), (dialog.behind.clone(), false)];
    texts.extend(dialog.cautions.iter().map(|caution| (caution.clone(), false)));
    texts.extend(dialog.rights.iter().map(|right| (right.sentence.to_string(), false)));
    texts.extend(dialog.fields.iter().map(|field| (field.value.clone(), field.style == FieldStyle::Block)));
    texts
}

/// The same of a dialog about agents' requests.
fn texts_of(dialog: &ApprovalsDialog) -> Vec<(String, bool)> {
    let mut texts = vec![(dialog.heading.clone(), false), (dialog.problem.clone(), false)];
    for item in &dialog.items {
        texts.push((item.heading.clone(), false));
        texts.extend(item.cautions.iter().map(|caution| (caution.clone(), false)));
        let fields = item.fields.iter().chain(&item.details);
        texts.extend(fields.map(|field| (field.value.clone(), field.style != FieldStyle::Code)));
    }
    texts
}

fn check(dialog: &ReviewDialog) -> Result<(), String> {
    check_all(texts(dialog))
}

fn check_all(texts: Vec<(String, bool)>) -> Result<(), String> {
    for (text, may_break) in texts {
        let text = if may_break { text.replace('\n', "") } else { text };
        if let Some(bad) = text.chars().find(|&character| hides(character)) {
            return Err(format!("{bad:?} in {text:?}"));
        }
        if text.chars().count() > MAX_BLOCK + 2 {
            return Err(format!("{} characters", text.chars().count()));
        }
    }
    Ok(())
}

#[test]
fn hostile_names_are_shown_literally() {
    let name = HOSTILE[0];

    let dialog = review::of_request(&request(1, hostile_ask(name), at(0))).dialog;

    assert_eq!(dialog.fields[0].label, "Claimed name");
    assert_eq!(dialog.fields[0].value, name, "not markup, not a format, not a variable");
}

#[test]
fn what_hides_or_turns_text_round_is_made_visible() {
    for name in HOSTILE {
        let dialog = review::of_request(&request(1, hostile_ask(name), at(0))).dialog;

        check(&dialog).expect(name);
        assert_eq!(dialog.title, "Tidegate: pairing request");
    }
    let turned = review::of_request(&request(1, hostile_ask(HOSTILE[1]), at(0))).dialog;
    assert_eq!(turned.fields[0].value, "\\u{202e}moc.elgoog");
}

#[test]
fn a_very_long_name_is_cut() {
    let name = "x".repeat(1_000_000);

    let dialog = review::of_request(&request(1, hostile_ask(&name), at(0))).dialog;

    let longest = texts(&dialog).into_iter().map(|(text, _)| text.chars().count()).max();
    assert!(longest < Some(1100), "{longest:?}");
}

#[test]
fn a_name_of_blanks_is_none() {
    let dialog = review::of_request(&request(1, hostile_ask("   "), at(0))).dialog;

    assert_eq!(dialog.fields[0].value, "not given");
}

#[test]
fn no_words_from_outside_reach_a_notification() {
    let mut desktop = Desktop::ready();

    let told = notified(&desktop.tell(&[request(1, hostile_ask("evil"), at(0))], &[])).expect("it is shown");

    assert!(!format!("{told:?}").contains("evil"));
}

#[test]
fn titles_of_runs_cannot_break_out_of_their_line() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::Work(Work {
        is_paused: false,
        running: vec!["a\nb\u{202e}".to_owned()],
        ..Work::default()
    }));

    let (_, asked) = opened_one(&desktop.on(Input::Tray(TrayCommand::Quit)));

    let Dialog::Message(asked) = asked else { panic!("{asked:#?}") };
    assert_eq!(asked.text, "These runs would be interrupted:\na\\u{a}b\\u{202e}");
}

#[test]
fn what_a_request_preselects_is_cleaned() {
    let mut desktop = Desktop::ready();
    let name = format!("a\u{202e}\n{}", "x".repeat(5000));

    let request = DialogRequest::NewToken { name, level: Level::Full, pairing: true };
    let (_, dialog) = opened_one(&desktop.on(Input::DialogRequest(request)));

    let Dialog::NewToken(dialog) = dialog else { panic!("{dialog:#?}") };
    assert!(dialog.name.starts_with("a\\u{202e}\\u{a}xxx"));
    assert!(dialog.name.chars().count() <= 61);
}

#[test]
fn a_forged_tray_event_decides_nothing_and_does_nothing_that_the_menu_does_not_offer() {
    let mut desktop = Desktop::ready();
    desktop.tell(&[device(1, at(0))], &[]);

    for command in TrayCommand::ALL.into_iter().filter(|command| *command != TrayCommand::Quit) {
        assert_eq!(decisions(&desktop.on(Input::Tray(command))), [], "{command:?}");
    }
    assert_eq!(desktop.on(Input::Tray(TrayCommand::ReviewCommands)), [], "none waits");
    assert_eq!(desktop.on(Input::Tray(TrayCommand::ResumeAgents)), [], "they are not paused");
    let mut starting = Desktop::starting();
    assert_eq!(starting.on(Input::Tray(TrayCommand::NewChat)), []);
}

#[test]
fn a_dialog_request_never_decides() {
    let mut desktop = Desktop::ready();
    let waits = device(1, at(0));
    desktop.tell(std::slice::from_ref(&waits), &[]);

    for request in [
        DialogRequest::Review(None),
        DialogRequest::Review(Some(waits.id.clone())),
        DialogRequest::Review(Some("x".to_owned())),
    ] {
        desktop.millis += 2000;
        assert_eq!(decisions(&desktop.on(Input::DialogRequest(request))), []);
    }
}

#[test]
fn an_outcome_for_a_dialog_that_is_not_open_decides_nothing() {
    let mut desktop = Desktop::ready();
    let (open, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));
    desktop.millis += 1500;

    for id in (0..50).chain([u64::MAX]).map(DialogId).filter(|&id| id != open) {
        for outcome in [
            ReviewOutcome::Approve(Selection::default()),
            ReviewOutcome::Refuse,
            ReviewOutcome::Block,
            ReviewOutcome::Later,
        ] {
            assert_eq!(desktop.review(id, outcome), []);
        }
    }
}

#[test]
fn an_outcome_of_another_kind_of_dialog_decides_nothing() {
    for outcome in [DialogOutcome::Proceed, DialogOutcome::Dismissed] {
        let mut desktop = Desktop::ready();
        let (open, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));
        desktop.millis += 1500;

        let effects = desktop.on(Input::Dialog { id: open, outcome, press: Press::Device });

        let approves = |effect: &Effect| {
            !matches!(effect, Effect::Decide { verdict: tidegate_trust::decision::Verdict::Later, .. })
        };
        assert!(!decisions(&effects).iter().any(approves), "{effects:#?}");
    }
}

#[test]
fn a_selection_that_was_not_offered_is_refused() {
    let ephemeral = Some("It can be approved only once.");
    let device = device_ask(1, &[Scope::Read]);
    let program = program_ask(1, &[Scope::Read]);
    let plain = Selection::default();
    let cases = [
        (device.clone(), Selection { scopes: Some(ScopeSet::from([Scope::Admin])), ..plain.clone() }),
        (device.clone(), Selection { extent: Extent::Level(Level::Read), pairing: true, ..plain.clone() }),
        (device.clone(), Selection { own_token: true, ..plain.clone() }),
        (program.clone(), Selection { extent: Extent::Level(Level::Full), ..plain.clone() }),
        (program_ask(1, &[Scope::Admin]), plain.clone()),
        (
            PairingRequest { ephemeral, ..program },
            Selection { duration: GrantLifetime::Always, ..plain.clone() },
        ),
        (
            PairingRequest { role: "node".to_owned(), ..device },
            Selection { extent: Extent::Level(Level::Full), ..plain },
        ),
    ];
    for (ask, selection) in cases {
        let review = review::of_request(&request(1, ask, at(0)));

        assert!(review.approval(&selection).is_err(), "{selection:?}");
    }
}

#[test]
fn a_programs_own_token_has_a_name_that_the_gateway_takes_whatever_is_claimed() {
    for claimed in HOSTILE.into_iter().chain(["", "   ", &"x".repeat(500)]) {
        let review = review::of_request(&request(1, hostile_ask(claimed), at(0)));
        let selection = Selection { extent: Extent::Asked, own_token: true, ..Selection::default() };

        let Ok(review::Approval::Grant(review::Grant::OwnToken { name, .. })) = review.approval(&selection)
        else {
            panic!("{claimed:?}")
        };
        assert_eq!(text::one_line(name.trim(), MAX_NAME), name);
        assert!(name.ends_with(" 00000001"));
    }
}

#[test]
fn a_token_of_its_own_never_holds_more_than_asked_unless_a_level_is_chosen() {
    let level = |asked: &[Scope]| {
        let review = review::of_request(&request(1, program_ask(1, asked), at(0)));
        let selection = Selection { own_token: true, ..Selection::default() };
        match review.approval(&selection) {
            Ok(review::Approval::Grant(review::Grant::OwnToken { level, pairing, .. })) => {
                Some((level, pairing))
            }
            _ => None,
        }
    };

    assert_eq!(level(&[Scope::Admin]), Some((Level::Full, false)));
    assert_eq!(level(&[Scope::Write, Scope::Pairing]), Some((Level::Write, true)));
    assert_eq!(level(&[Scope::Read, Scope::Approvals]), Some((Level::Read, false)));
    assert_eq!(level(&[Scope::Talk]), None, "no level is just that");
}

proptest! {
    #[test]
    fn whatever_a_client_says_the_dialog_shows_plain_bounded_text(text in any::<String>()) {
        let dialog = review::of_request(&request(1, hostile_ask(&text), at(0))).dialog;

        prop_assert_eq!(check(&dialog), Ok(()));
    }

    #[test]
    fn whatever_a_command_holds_the_dialog_shows_plain_bounded_text(
        command in any::<String>(),
        arguments in prop::collection::vec(any::<String>(), 0..4),
        variable in any::<(String, String)>(),
        name in any::<String>(),
    ) {
        let command = ApprovalRequest {
            operation: Operation::Exec {
                command: command.clone(),
                command_argv: arguments,
                cwd: command.clone(),
                env: vec![variable],
                confinement: None,
            },
            session_key: command.clone(),
            run_id: Some(command.clone()),
            ancestors: vec![command.clone(); 20],
            digest: "d".to_owned(),
            context: None,
        };
        let name = SessionName { chat: name.clone(), subagent: Some(name) };
        let dialog = approvals::dialog(&[(&waiting(1, command, at(0)), Some(&name))]);

        prop_assert_eq!(check_all(texts_of(&dialog)), Ok(()));
    }

    #[test]
    fn whatever_a_file_is_called_or_would_hold_the_dialog_shows_plain_bounded_text(
        path in any::<String>(),
        exists: bool,
        old_text in any::<String>(),
        new_text in any::<String>(),
    ) {
        let access = FileAccess::Edit { old_text, new_text };
        let operation = Operation::File { path, exists, trigger: false, access };
        let command = ApprovalRequest { operation, ..crate::support::command_of("") };
        let dialog = approvals::dialog(&[(&waiting(1, command, at(0)), None)]);

        prop_assert_eq!(check_all(texts_of(&dialog)), Ok(()));
    }

    #[test]
    fn whatever_the_host_answers_becomes_one_plain_line(sentence in any::<String>()) {
        let mut desktop = Desktop::ready();
        let (dialog, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));
        let effects = desktop.approve(dialog, Selection::default());

        let failed = desktop.fail(crate::support::task(&effects), &sentence);

        for (_, dialog, _) in opened(&failed) {
            let Dialog::Review(dialog) = dialog else { panic!("{dialog:#?}") };
            prop_assert_eq!(check(&dialog), Ok(()));
        }
    }
}
