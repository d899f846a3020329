//! Dialog requests of windows and of the command line, and the dialogs for tokens and keys.

use tidegate_desktop_core::dialog::{
    Attention, Dialog, DialogId, DialogOutcome, ModelKeyDialog, NewTokenDialog, Secret,
};
use tidegate_desktop_core::press::Press;
use tidegate_desktop_core::shell::{
    DialogRequest, Effect, FileContent, FileToKeep, FolderToUnshare, Input, Page,
};
use tidegate_trust::Level;

use crate::support::{Desktop, at, device, opened, opened_one, opened_review, task};

fn new_token(name: &str) -> Input {
    Input::DialogRequest(DialogRequest::NewToken {
        name: name.to_owned(),
        level: Level::Write,
        pairing: false,
    })
}

fn model_key() -> Input {
    Input::DialogRequest(DialogRequest::ModelKey {
        id: "lab".to_owned(),
        base_url: "http://127.0.0.1:8080/v1".to_owned(),
    })
}

fn typed_token(id: DialogId) -> Input {
    let outcome =
        DialogOutcome::NewToken { name: " backup job ".to_owned(), level: Level::Read, pairing: false };
    Input::Dialog { id, outcome, press: Press::Device }
}

fn typed_key(id: DialogId) -> Input {
    let outcome = DialogOutcome::ModelKey {
        id: "lab".to_owned(),
        base_url: "http://127.0.0.1:8080/v1".to_owned(),
        key: Secret::new("sk-1".to_owned()),
    };
    Input::Dialog { id, outcome, press: Press::Device }
}

#[test]
fn a_request_for_a_token_opens_its_dialog_with_what_was_asked_for() {
    let mut desktop = Desktop::ready();

    let effects = desktop.on(new_token("backup"));

    let shown = opened(&effects);
    let expected = NewTokenDialog {
        heading: "New access token".to_owned(),
        name: "backup".to_owned(),
        level: Level::Write,
        pairing: false,
    };
    assert_eq!(shown[0].1, Dialog::NewToken(expected));
    assert_eq!(shown[0].2, Attention::Asked);
}

#[test]
fn a_token_is_made_as_typed_in_the_dialog_and_shown() {
    let mut desktop = Desktop::ready();
    let (dialog, _) = opened_one(&desktop.on(new_token("backup")));

    let effects = desktop.on(typed_token(dialog));

    let made = Effect::NewToken {
        task: task(&effects),
        name: "backup job".to_owned(),
        level: Level::Read,
        pairing: false,
    };
    assert_eq!(effects, [made]);
    let token = Secret::new("tg_1".to_owned());
    let (_, shown) = opened_one(&desktop.on(Input::Done { task: task(&effects), result: Ok(Some(token)) }));
    assert!(matches!(shown, Dialog::Token(shown) if shown.token.reveal() == "tg_1"));
}

#[test]
fn a_token_that_could_not_be_made_is_asked_for_again_with_the_reason() {
    let mut desktop = Desktop::ready();
    let (dialog, _) = opened_one(&desktop.on(new_token("backup")));
    let effects = desktop.on(typed_token(dialog));

    let (_, again) = opened_one(&desktop.fail(task(&effects), "a token of that name is there already"));

    let Dialog::NewToken(again) = again else { panic!("{again:#?}") };
    assert_eq!(again.heading, "That did not work: a token of that name is there already");
    assert_eq!((again.name.as_str(), again.level), ("backup job", Level::Read));
}

#[test]
fn a_token_outcome_without_its_dialog_makes_no_token() {
    let mut desktop = Desktop::ready();
    let (review, ..) = opened_review(&desktop.tell(&[device(1, at(0))], &[]));
    let (key, _) = opened_one(&desktop.on(model_key()));

    for id in [DialogId(0), DialogId(999), review, key] {
        let effects = desktop.on(typed_token(id));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::NewToken { .. })), "{id:?}");
    }
}

#[test]
fn a_further_request_of_a_kind_only_brings_its_dialog_to_the_front() {
    let mut desktop = Desktop::ready();
    let (dialog, _) = opened_one(&desktop.on(new_token("one")));

    let at_once = desktop.on(new_token("two"));
    desktop.millis += 1000;
    let later = desktop.on(new_token("three"));

    assert_eq!(at_once, [], "one in a second");
    assert_eq!(later, [Effect::PresentDialog(dialog)]);
}

#[test]
fn requests_of_different_kinds_do_not_wait_for_each_other() {
    let mut desktop = Desktop::ready();
    desktop.on(new_token("one"));

    assert_eq!(opened(&desktop.on(model_key())).len(), 1);
    assert_eq!(
        desktop.on(Input::DialogRequest(DialogRequest::Window(Page::Devices))),
        [Effect::OpenWindow(Page::Devices)]
    );
}

#[test]
fn a_request_while_the_screen_is_locked_is_carried_out_afterwards() {
    let mut desktop = Desktop::ready();
    desktop.on(Input::Screen { is_locked: true });
    let mut locked = desktop.on(new_token("one"));
    locked.extend(desktop.on(new_token("two")));

    let unlocked = desktop.on(Input::Screen { is_locked: false });

    assert_eq!(locked, []);
    let (_, dialog) = opened_one(&unlocked);
    assert!(matches!(dialog, Dialog::NewToken(dialog) if dialog.name == "two"));
}

#[test]
fn a_key_is_tried_as_typed_and_the_result_is_reported() {
    let mut desktop = Desktop::ready();
    let (dialog, shown) = opened_one(&desktop.on(model_key()));
    assert!(matches!(shown, Dialog::ModelKey(shown) if shown.id == "lab" && shown.problem.is_empty()));

    let effects = desktop.on(typed_key(dialog));

    let Effect::KeepModelKey { id, base_url, key, .. } = &effects[0] else { panic!("{effects:#?}") };
    assert_eq!((id.as_str(), base_url.as_str(), key.reveal()), ("lab", "http://127.0.0.1:8080/v1", "sk-1"));
    let (_, told) = opened_one(&desktop.done(task(&effects)));
    assert!(matches!(told, Dialog::Message(told) if told.heading == "Connected."));
}

#[test]
fn a_key_that_does_not_work_is_asked_for_again_with_the_reason() {
    let mut desktop = Desktop::ready();
    let (dialog, _) = opened_one(&desktop.on(model_key()));
    let effects = desktop.on(typed_key(dialog));

    let (_, again) = opened_one(&desktop.fail(task(&effects), "the server says: 401"));

    let expected = ModelKeyDialog {
        heading: "Connect a model".to_owned(),
        id: "lab".to_owned(),
        base_url: "http://127.0.0.1:8080/v1".to_owned(),
        problem: "the server says: 401".to_owned(),
    };
    assert_eq!(again, Dialog::ModelKey(expected));
}

#[test]
fn a_dialog_that_was_cancelled_does_nothing() {
    let mut desktop = Desktop::ready();
    let (dialog, _) = opened_one(&desktop.on(new_token("one")));

    let effects =
        desktop.on(Input::Dialog { id: dialog, outcome: DialogOutcome::Dismissed, press: Press::Device });

    assert_eq!(effects, []);
}

fn unblock(id: &str, name: &str) -> Input {
    Input::DialogRequest(DialogRequest::Unblock { id: id.to_owned(), name: name.to_owned() })
}

#[test]
fn a_request_to_unblock_is_a_question_and_only_its_answer_unblocks() {
    let mut desktop = Desktop::ready();

    let asked = desktop.on(unblock("b-1", "a\nb"));

    let (dialog, shown) = opened_one(&asked);
    let Dialog::Message(shown) = shown else { panic!("{shown:#?}") };
    assert_eq!((shown.proceed.as_deref(), shown.dismiss), (Some("Unblock"), "Cancel"));
    assert!(shown.text.starts_with("It called itself: a\\u{a}b\n"), "{}", shown.text);
    let answered =
        desktop.on(Input::Dialog { id: dialog, outcome: DialogOutcome::Proceed, press: Press::Device });
    assert_eq!(answered, [Effect::Unblock { task: task(&answered), id: "b-1".to_owned() }]);
    let (_, problem) = opened_one(&desktop.fail(task(&answered), "it is not blocked"));
    assert!(matches!(problem, Dialog::Message(problem) if problem.text == "it is not blocked"));
}

#[test]
fn a_question_about_one_block_never_turns_into_one_about_another() {
    let mut desktop = Desktop::ready();
    let (dialog, _) = opened_one(&desktop.on(unblock("b-1", "one")));
    desktop.millis += 1000;

    let further = desktop.on(unblock("b-2", "two"));
    let answered =
        desktop.on(Input::Dialog { id: dialog, outcome: DialogOutcome::Proceed, press: Press::Device });

    assert_eq!(further, [Effect::PresentDialog(dialog)]);
    assert!(matches!(&answered[..], [Effect::Unblock { id, .. }] if id == "b-1"));
}

#[test]
fn a_question_that_was_cancelled_unblocks_nothing() {
    let mut desktop = Desktop::ready();
    let (dialog, _) = opened_one(&desktop.on(unblock("b-1", "one")));

    assert_eq!(
        desktop.on(Input::Dialog { id: dialog, outcome: DialogOutcome::Dismissed, press: Press::Device }),
        []
    );
}

fn take_server(model: &str, owner: &str) -> Input {
    Input::DialogRequest(DialogRequest::TakeServer {
        model: model.to_owned(),
        owner: owner.to_owned(),
        user: "a system account".to_owned(),
        address: "127.0.0.1:11434".to_owned(),
    })
}

const OLLAMA: &str = "/usr/bin/ollama (process 12, user 998)";

#[test]
fn a_request_for_a_model_server_is_a_question_that_names_it() {
    let mut desktop = Desktop::ready();

    let asked = desktop.on(take_server("ollama/qwen3\n", OLLAMA));

    let (dialog, shown) = opened_one(&asked);
    let Dialog::Message(shown) = shown else { panic!("{shown:#?}") };
    assert_eq!((shown.proceed.as_deref(), shown.dismiss), (Some("Use it"), "Cancel"));
    assert!(
        shown.text.starts_with(
            "Model: ollama/qwen3\nProgram: /usr/bin/ollama (process 12, user 998)\nUser: a system account\n\
             Address: 127.0.0.1:11434, on this computer\n"
        ),
        "{}",
        shown.text
    );
    let answered =
        desktop.on(Input::Dialog { id: dialog, outcome: DialogOutcome::Proceed, press: Press::Device });
    let (model, owner) = ("ollama/qwen3\n".to_owned(), OLLAMA.to_owned());
    assert_eq!(answered, [Effect::TakeServer { task: task(&answered), model, owner }]);
    let (_, problem) = opened_one(&desktop.fail(task(&answered), "it changed"));
    assert!(matches!(problem, Dialog::Message(problem) if problem.text == "it changed"));
}

#[test]
fn a_question_about_one_server_never_turns_into_one_about_another() {
    let mut desktop = Desktop::ready();
    let (dialog, _) = opened_one(&desktop.on(take_server("ollama/one", OLLAMA)));
    desktop.millis += 1000;

    let further = desktop.on(take_server("lmstudio/two", "another"));
    let answered =
        desktop.on(Input::Dialog { id: dialog, outcome: DialogOutcome::Proceed, press: Press::Device });

    assert_eq!(further, [Effect::PresentDialog(dialog)]);
    assert!(matches!(&answered[..], [Effect::TakeServer { model, owner, .. }]
        if model == "ollama/one" && owner == OLLAMA));
}

#[test]
fn a_server_is_not_taken_into_use_when_the_question_is_cancelled() {
    let mut desktop = Desktop::ready();
    let (dialog, _) = opened_one(&desktop.on(take_server("ollama/one", OLLAMA)));

    assert_eq!(
        desktop.on(Input::Dialog { id: dialog, outcome: DialogOutcome::Dismissed, press: Press::Device }),
        []
    );
}

fn envrc(content: FileContent) -> FileToKeep {
    FileToKeep {
        id: "f-1".to_owned(),
        digest: "abcd".to_owned(),
        path: "a\n/.envrc".to_owned(),
        workspace: "/home/ada/work".to_owned(),
        reason: "a/.envrc is read by shells and editors in the folder".to_owned(),
        effect: "It can run commands as you.".to_owned(),
        content,
    }
}

fn keep_file(content: FileContent) -> Input {
    Input::DialogRequest(DialogRequest::KeepFile(Box::new(envrc(content))))
}

#[test]
fn a_request_to_keep_a_file_is_a_question_that_shows_it() {
    let mut desktop = Desktop::ready();
    let text = "export A=1\nKeep it only\u{202e}\n".to_owned();

    let asked = desktop.on(keep_file(FileContent::Text { text, is_cut: false }));

    let (dialog, shown) = opened_one(&asked);
    let Dialog::Message(shown) = shown else { panic!("{shown:#?}") };
    assert_eq!((shown.proceed.as_deref(), shown.dismiss), (Some("Keep"), "Cancel"));
    assert_eq!(
        shown.text,
        "File: a\\u{a}/.envrc\nIn: /home/ada/work\n\nWhy it was set aside: a/.envrc is read by shells and editors \
         in the folder\nIt can run commands as you.\n\nIt says:\n| export A=1\n| Keep it only\\u{202e}\n\nKeep it \
         only if you know what it does."
    );
    let answered =
        desktop.on(Input::Dialog { id: dialog, outcome: DialogOutcome::Proceed, press: Press::Device });
    let (id, digest) = ("f-1".to_owned(), "abcd".to_owned());
    assert_eq!(answered, [Effect::KeepFile { task: task(&answered), id, digest }]);
    let (_, problem) = opened_one(&desktop.fail(task(&answered), "it changed"));
    assert!(matches!(problem, Dialog::Message(problem) if problem.text == "it changed"));
}

#[test]
fn a_question_about_a_long_or_binary_file_says_that_not_all_is_shown() {
    let question = |content: FileContent| {
        let (_, shown) = opened_one(&Desktop::ready().on(keep_file(content)));
        let Dialog::Message(shown) = shown else { panic!("{shown:#?}") };
        shown.text
    };
    let text = |text: &str, is_cut| question(FileContent::Text { text: text.to_owned(), is_cut });

    let more = "It has more than is shown here.";
    assert!(text(&"line\n".repeat(13), false).contains(more));
    assert!(text(&"x".repeat(101), false).contains(more));
    assert!(text("short", true).contains(more));
    assert!(!text(&"line\n".repeat(12), false).contains(more));
    assert!(question(FileContent::Binary).contains("It is no text"));
    assert!(question(FileContent::Link("/etc\n".to_owned())).contains("It is a link to: /etc\\u{a}"));
}

#[test]
fn a_file_is_not_kept_when_the_question_is_cancelled_and_never_turns_into_another() {
    let mut desktop = Desktop::ready();
    let (dialog, _) = opened_one(&desktop.on(keep_file(FileContent::Binary)));
    desktop.millis += 1000;
    let other = FileToKeep { id: "f-2".to_owned(), ..envrc(FileContent::Binary) };

    let further = desktop.on(Input::DialogRequest(DialogRequest::KeepFile(Box::new(other))));
    let cancelled =
        desktop.on(Input::Dialog { id: dialog, outcome: DialogOutcome::Dismissed, press: Press::Device });

    assert_eq!(further, [Effect::PresentDialog(dialog)]);
    assert_eq!(cancelled, []);
}

fn unshare(folder: &str, files: u64, places: usize) -> Input {
    let places = (0..places).map(|number| format!("p{number}\n")).collect();
    Input::DialogRequest(DialogRequest::Unshare(FolderToUnshare {
        folder: folder.to_owned(),
        files,
        bytes: 5 << 20,
        places,
    }))
}

#[test]
fn a_request_to_unshare_a_folder_is_a_question_that_says_what_it_takes() {
    let mut desktop = Desktop::ready();

    let asked = desktop.on(unshare("/home/ada/wo\u{202e}rk", 1204, 8));

    let (dialog, shown) = opened_one(&asked);
    let Dialog::Message(shown) = shown else { panic!("{shown:#?}") };
    assert_eq!((shown.proceed.as_deref(), shown.dismiss), (Some("Unshare"), "Cancel"));
    assert_eq!(
        shown.text,
        "Folder: /home/ada/wo\\u{202e}rk\nShared with other folders: 1,204 files (p0, p1, p2, p3, p4, p5, 2 \
         more)\n\nThe folder gets copies of its own, which take 5 MiB. Other folders keep theirs. Agents' commands \
         can then change the copies."
    );
    let answered =
        desktop.on(Input::Dialog { id: dialog, outcome: DialogOutcome::Proceed, press: Press::Device });
    let folder = "/home/ada/wo\u{202e}rk".to_owned();
    assert_eq!(answered, [Effect::Unshare { task: task(&answered), folder }]);
    let (_, problem) = opened_one(&desktop.fail(task(&answered), "no room"));
    assert!(matches!(problem, Dialog::Message(problem) if problem.text == "no room"));
}

#[test]
fn a_folder_is_not_unshared_when_the_question_is_cancelled() {
    let mut desktop = Desktop::ready();
    let (dialog, _) = opened_one(&desktop.on(unshare("/home/ada/work", 1, 1)));
    desktop.millis += 1000;

    let further = desktop.on(unshare("/home/ada/other", 1, 1));
    let cancelled =
        desktop.on(Input::Dialog { id: dialog, outcome: DialogOutcome::Dismissed, press: Press::Device });

    assert_eq!(further, [Effect::PresentDialog(dialog)]);
    assert_eq!(cancelled, []);
}
