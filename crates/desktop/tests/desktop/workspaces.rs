//! The folder of a session: the question about one, and the chooser.

use tidegate_desktop_core::controller::UNASKED_EVERY;
use tidegate_desktop_core::dialog::{Attention, Dialog, DialogId, DialogOutcome};
use tidegate_desktop_core::press::{Press, Synthetic};
use tidegate_desktop_core::shell::{DialogRequest, Effect, Input, Work, WorkspaceToChoose};
use tidegate_protocol::SessionKey;

use crate::support::{Desktop, opened_one, task};

fn main_session() -> SessionKey {
    SessionKey::parse("main").expect("a key")
}

fn site() -> WorkspaceToChoose {
    WorkspaceToChoose {
        session: main_session(),
        label: Some("Notes\n".to_owned()),
        folder: "/home/ada/si\u{202e}te".to_owned(),
        is_default: false,
        before: "/home/ada/w".to_owned(),
        shared_files: Some(0),
        shared_places: Vec::new(),
        digest: "d1gest".to_owned(),
        by_client: false,
    }
}

fn ask(asked: WorkspaceToChoose) -> Input {
    Input::DialogRequest(DialogRequest::ChooseWorkspace(Box::new(asked)))
}

fn pick() -> Input {
    let present = "/home/ada/w\n".to_owned();
    Input::DialogRequest(DialogRequest::PickWorkspace { session: main_session(), label: None, present })
}

fn question(asked: WorkspaceToChoose) -> (DialogId, String, Desktop) {
    let mut desktop = Desktop::ready();
    let (dialog, shown) = opened_one(&desktop.on(ask(asked)));
    let Dialog::Message(shown) = shown else { panic!("{shown:#?}") };
    assert_eq!((shown.proceed.as_deref(), shown.dismiss), (Some("Use this folder"), "Cancel"));
    (dialog, shown.text, desktop)
}

fn end(id: DialogId, outcome: DialogOutcome) -> Input {
    Input::Dialog { id, outcome, press: Press::Device }
}

#[test]
fn a_folder_is_asked_about_with_what_it_means_and_chosen_as_it_was_drawn() {
    let (dialog, text, mut desktop) = question(site());

    let answered = desktop.on(end(dialog, DialogOutcome::Proceed));

    assert_eq!(
        text,
        "Session: Notes (agent:main:main)\nFolder: /home/ada/si\\u{202e}te\nUntil now: /home/ada/w\n\nThe agents of this \
         session and their subagents read and change everything in the folder without asking you. Commands that you \
         allow start there. What runs already goes on where it is."
    );
    let chosen = Effect::ChooseWorkspace {
        task: task(&answered),
        session: main_session(),
        folder: Some("/home/ada/si\u{202e}te".to_owned()),
        digest: "d1gest".to_owned(),
    };
    assert_eq!(answered, [chosen]);
    let (_, problem) = opened_one(&desktop.fail(task(&answered), "the folder changed"));
    assert!(matches!(problem, Dialog::Message(problem) if problem.text == "the folder changed"));
}

#[test]
fn a_question_about_a_folder_names_shared_files_and_who_asked() {
    let shared = WorkspaceToChoose {
        shared_files: Some(1204),
        shared_places: (0..8).map(|number| format!("p{number}\n")).collect(),
        ..site()
    };
    let unknown = WorkspaceToChoose { shared_files: None, is_default: true, by_client: true, ..site() };

    let (_, shared, _) = question(shared);
    let (dialog, unknown, mut desktop) = question(unknown);

    let sentence = "1,204 files in it are shared with other folders by hard links (p0\\u{a}, p1\\u{a}, p2\\u{a}, p3\\u{a}, \
                    p4\\u{a}, p5\\u{a}, 2 more). Agents' commands only read these until you unshare them.";
    assert!(shared.ends_with(sentence), "{shared}");
    for part in
        ["Folder, that of all other sessions: ", "could not find out in time", "A client asked for this"]
    {
        assert!(unknown.contains(part), "{part}: {unknown}");
    }
    let answered = desktop.on(end(dialog, DialogOutcome::Proceed));
    assert!(matches!(&answered[..], [Effect::ChooseWorkspace { folder: None, .. }]), "{answered:?}");
}

#[test]
fn a_folder_whose_path_cannot_be_shown_whole_is_not_chosen() {
    let end = "/end";
    for (length, is_offered) in [(240, true), (241, false)] {
        let folder = format!("/{}{end}", "d".repeat(length - 1 - end.len()));
        let mut desktop = Desktop::ready();

        let (_, shown) = opened_one(&desktop.on(ask(WorkspaceToChoose { folder, ..site() })));

        let Dialog::Message(shown) = shown else { panic!("{shown:#?}") };
        assert_eq!(shown.proceed.is_some(), is_offered, "{length}");
        assert_eq!(shown.text.contains(end), is_offered, "{length}");
        assert_eq!(shown.text.contains("too long to be shown whole"), !is_offered, "{length}");
    }
}

#[test]
fn a_folder_is_not_chosen_when_the_question_is_cancelled_and_it_never_turns_into_another() {
    let (dialog, _, mut desktop) = question(site());
    desktop.millis += 1000;
    let other = WorkspaceToChoose { folder: "/other".to_owned(), ..site() };

    let further = desktop.on(ask(other));
    let cancelled = desktop.on(end(dialog, DialogOutcome::Dismissed));

    assert_eq!(further, [Effect::PresentDialog(dialog)]);
    assert_eq!(cancelled, []);
}

#[test]
fn what_a_client_asks_for_takes_no_keyboard_and_does_not_come_often() {
    let by_client = || WorkspaceToChoose { by_client: true, ..site() };
    let mut desktop = Desktop::ready();

    let first = desktop.on(ask(by_client()));
    let (dialog, _) = opened_one(&first);
    desktop.millis += 1000;
    let again = desktop.on(ask(by_client()));
    desktop.on(end(dialog, DialogOutcome::Dismissed));
    desktop.millis += 1000;
    let soon = desktop.on(ask(by_client()));
    let later = desktop.wait(u64::try_from(UNASKED_EVERY.as_millis()).expect("short"));

    assert!(matches!(&first[..], [Effect::OpenDialog { attention: Attention::Unasked, .. }]), "{first:?}");
    assert_eq!((again, soon), (Vec::new(), Vec::new()));
    assert!(matches!(&later[..], [Effect::OpenDialog { attention: Attention::Unasked, .. }]), "{later:?}");
}

#[test]
fn a_picked_folder_is_the_persons_choice() {
    let mut desktop = Desktop::ready();

    let (dialog, shown) = opened_one(&desktop.on(pick()));
    desktop.millis += 1000;
    let again = desktop.on(pick());
    let picked = desktop.on(end(dialog, DialogOutcome::Folder { path: "/home/ada/site".to_owned() }));
    let late = desktop.on(end(dialog, DialogOutcome::Folder { path: "/home/ada/late".to_owned() }));

    let Dialog::Folder(shown) = shown else { panic!("{shown:#?}") };
    assert!(shown.text.starts_with("Session: agent:main:main\nUntil now: /home/ada/w"), "{}", shown.text);
    assert_eq!(again, [Effect::PresentDialog(dialog)]);
    let folder = "/home/ada/site".to_owned();
    assert_eq!(picked, [Effect::PickWorkspace { task: task(&picked), session: main_session(), folder }]);
    assert_eq!(late, []);
    let (_, problem) = opened_one(&desktop.fail(task(&picked), "It is your home directory."));
    assert!(matches!(problem, Dialog::Message(problem) if problem.text == "It is your home directory."));
}

#[test]
fn a_program_picks_no_folder_while_a_command_could_have_made_it() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::Work(Work { has_commands_beyond_contained: true, ..Work::default() }));
    let (dialog, _) = opened_one(&desktop.on(pick()));

    let outcome = DialogOutcome::Folder { path: "/home/ada/site".to_owned() };
    let pressed =
        desktop.on(Input::Dialog { id: dialog, outcome, press: Press::Synthetic(Synthetic::TestDevice) });

    assert!(matches!(&pressed[0], Effect::AuditSyntheticPress { about, is_allowed: false, .. }
        if about == "folder /home/ada/site"));
    assert!(!pressed.iter().any(|effect| matches!(effect, Effect::PickWorkspace { .. })), "{pressed:?}");
    let (_, problem) = opened_one(&pressed);
    assert!(matches!(problem, Dialog::Message(problem) if problem.text.starts_with("Nothing was approved")));
}
