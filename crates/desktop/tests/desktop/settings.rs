//! Values of the configuration file that would open something wait in the same line, and only their
//! dialog confirms them.

use tidegate_desktop_core::dialog::{NEVER, ReviewDialog, ReviewOutcome, Selection};
use tidegate_desktop_core::review;
use tidegate_desktop_core::shell::{DialogRequest, Effect, Input, NotificationAnswer};
use tidegate_desktop_core::tray_menu::{MenuEntry, TrayCommand};
use tidegate_trust::settings::{ProposedSetting, Setting};

use crate::support::{Desktop, at, decisions, device, notified, opened_review, queue, setting, task, tray};

const UI: &str = "https://ui.example";
const OTHER: &str = "http://127.0.0.1:5173";

fn fields(dialog: &ReviewDialog) -> Vec<(&'static str, &str)> {
    dialog.fields.iter().map(|field| (field.label, field.value.as_str())).collect()
}

#[test]
fn the_dialog_shows_the_key_what_is_now_what_would_be_and_what_it_opens() {
    let dialog = review::of_setting(&setting(&[UI, OTHER], &[UI], at(0))).dialog;

    assert_eq!(
        fields(&dialog),
        [
            ("Key", "gateway.controlUi.allowedOrigins"),
            ("Now", UI),
            ("Would be", "http://127.0.0.1:5173\nhttps://ui.example"),
            ("Adds", OTHER),
            ("What it opens", Setting::AllowedOrigins.opens()),
        ]
    );
    assert_eq!((dialog.approve, dialog.refuse, dialog.can_block), ("Confirm", "Reject", false));
    assert_eq!((dialog.expires_at, dialog.options), (NEVER, None));
    let first = review::of_setting(&setting(&[UI], &[], at(0))).dialog;
    assert_eq!(fields(&first)[1], ("Now", "none"));
}

#[test]
fn a_folder_for_agents_is_shown_by_its_real_name_with_what_agents_may_do_there() {
    let mut shown = setting(&[UI], &[], at(0));
    shown.proposed = ProposedSetting::workspace("/home/ada/project".as_ref()).expect("it can be shown");

    let dialog = review::of_setting(&shown).dialog;

    let shown = fields(&dialog);
    assert_eq!(shown[0], ("Key", "agents.defaults.workspace"));
    assert_eq!(shown[2], ("Would be", "/home/ada/project"));
    assert_eq!(shown[3], ("What it opens", Setting::Workspace.opens()));
    assert!(ProposedSetting::workspace("/home/ada/\u{202e}x".as_ref()).is_err(), "it would hide its name");
}

#[test]
fn it_comes_up_by_itself_and_confirming_is_bound_to_what_was_shown() {
    let mut desktop = Desktop::ready();
    let shown = setting(&[UI], &[], desktop.now());
    let effects = desktop.tell_setting(&shown);
    let (id, _, _) = opened_review(&effects);
    let menu = tray(&effects).expect("it is drawn again");
    let MenuEntry::Command { label, command, .. } = &menu.entries[0] else { panic!("{menu:?}") };
    assert_eq!(
        (label.as_str(), *command),
        ("1 value of the configuration waits", TrayCommand::ReviewSettings)
    );
    let told = notified(&effects).expect("a notification").body;
    assert_eq!(told, "1 value of the configuration needs confirmation.");

    let too_early = desktop.review(id, ReviewOutcome::Approve(Selection::default()));
    assert!(decisions(&too_early).is_empty(), "its button is not armed");
    let (id, _, _) = opened_review(&too_early);
    let effects = desktop.approve(id, Selection::default());

    let confirms = Effect::ConfirmSetting {
        task: task(&effects),
        setting: Setting::AllowedOrigins,
        digest: shown.proposed.digest(),
    };
    assert_eq!(decisions(&effects), [confirms]);
}

#[test]
fn another_value_closes_the_dialog_of_the_one_before() {
    let mut desktop = Desktop::ready();
    let first = setting(&[UI], &[], desktop.now());
    let (id, _, _) = opened_review(&desktop.tell_setting(&first));

    let effects = desktop.tell_setting(&setting(&[OTHER], &[], at(1)));

    assert!(effects.contains(&Effect::CloseDialog(id)), "{effects:?}");
    assert!(decisions(&desktop.approve(id, Selection::default())).is_empty(), "it is about nothing any more");
}

#[test]
fn later_leaves_it_waiting_and_a_request_or_the_tray_brings_it_back() {
    let mut desktop = Desktop::ready();
    let shown = setting(&[UI], &[], desktop.now());
    let (id, _, _) = opened_review(&desktop.tell_setting(&shown));
    assert!(decisions(&desktop.review(id, ReviewOutcome::Later)).is_empty(), "nobody else hears of it");
    assert!(desktop.wait(3_600_000).is_empty(), "it does not come up by itself, and never ends");

    let (id, _, _) =
        opened_review(&desktop.on(Input::DialogRequest(DialogRequest::Review(Some(shown.id())))));
    desktop.review(id, ReviewOutcome::Later);
    let (id, _, _) = opened_review(&desktop.on(Input::Tray(TrayCommand::ReviewSettings)));

    let rejects = desktop.review(id, ReviewOutcome::Refuse);
    assert!(matches!(&decisions(&rejects)[..], [Effect::RejectSetting { .. }]), "{rejects:?}");
}

#[test]
fn a_notification_refuses_and_never_confirms() {
    let mut desktop = Desktop::ready();
    let mut waiting = queue(&[device(1, at(0))], &[]);
    waiting.settings = vec![setting(&[UI], &[], at(0))];
    let effects = desktop.on(Input::Queue(waiting));
    let notification = notified(&effects).expect("it tells");

    let denied = desktop.answer(notification.id, NotificationAnswer::Deny);

    let decided = decisions(&denied);
    assert_eq!(decided.len(), 2, "{decided:?}");
    assert!(decided.iter().any(|effect| matches!(effect, Effect::RejectSetting { .. })));
    assert!(!decided.iter().any(|effect| matches!(effect, Effect::ConfirmSetting { .. })));
}
