//! Dialogs that the desktop's logic opens, made by it: their words are the application's.

use tidegate_clock as now;
use tidegate_desktop_core::controller::{Controller, Launch};
use tidegate_desktop_core::dialog::{Dialog, DialogId, DialogOutcome, Secret};
use tidegate_desktop_core::press::Press;
use tidegate_desktop_core::shell::{
    DialogRequest, Effect, FileContent, FileToKeep, FolderToUnshare, HostState, Input, TaskId, Work,
    WorkspaceToChoose,
};
use tidegate_desktop_core::tray_menu::TrayCommand;
use tidegate_protocol::SessionKey;
use tidegate_trust::Level;

const PROVIDER: &str = "openrouter";
const BASE_URL: &str = "https://openrouter.example/api/v1";

pub(crate) fn new_token(name: &str) -> Option<Dialog> {
    opened([dialog_request(a_token(name))])
}

/// The token that was made, as it is shown once.
pub(crate) fn token(name: &str) -> Option<Dialog> {
    let outcome = DialogOutcome::NewToken { name: name.to_owned(), level: Level::Write, pairing: false };
    let secret = Secret::new("tg_6yQ0mX9vN4b2Zp7KfR1cLh8sWd3TjUeA5oGiYxMqBnE".to_owned());
    answered(a_token(name), outcome, Ok(Some(secret)))
}

pub(crate) fn model_key() -> Option<Dialog> {
    opened([dialog_request(a_model_key())])
}

/// After a key that the server did not take.
pub(crate) fn model_key_again() -> Option<Dialog> {
    let outcome = DialogOutcome::ModelKey {
        id: PROVIDER.to_owned(),
        base_url: BASE_URL.to_owned(),
        key: Secret::new("a key".to_owned()),
    };
    let problem =
        "The server did not take the key: it answered 401 Unauthorized. Check the key and the address.";
    answered(a_model_key(), outcome, Err(problem.to_owned()))
}

pub(crate) fn quit() -> Option<Dialog> {
    let running = ["Summarise the meeting notes", "Sort the photos of August"].map(str::to_owned).to_vec();
    opened([Input::Work(Work { running, ..Work::default() }), Input::Tray(TrayCommand::Quit)])
}

pub(crate) fn model_server() -> Option<Dialog> {
    opened([dialog_request(DialogRequest::TakeServer {
        model: "ollama/qwen3:8b".to_owned(),
        owner: "/usr/local/bin/ollama (process 4711, user 998)".to_owned(),
        user: "a system account, as used by services".to_owned(),
        address: "127.0.0.1:11434".to_owned(),
    })])
}

pub(crate) fn keep_file() -> Option<Dialog> {
    let path = "vendor/theme/.git/hooks/post-checkout".to_owned();
    opened([dialog_request(DialogRequest::KeepFile(Box::new(FileToKeep {
        id: "3f2a9c1e".to_owned(),
        digest: String::new(),
        reason: format!("{path} would run when git is used here"),
        path,
        workspace: "/home/ada/projects/site".to_owned(),
        effect: "As soon as a shell, git or an editor looks at the folder, it can run commands as you, outside the \
                 sandbox."
            .to_owned(),
        content: FileContent::Text {
            text: "#!/bin/sh\nnpm run build --silent\ntouch .stamp\u{202e}\n".to_owned(),
            is_cut: false,
        },
    })))])
}

pub(crate) fn unshare() -> Option<Dialog> {
    opened([dialog_request(DialogRequest::Unshare(FolderToUnshare {
        folder: "/home/ada/projects/site".to_owned(),
        files: 1204,
        bytes: 87 << 20,
        places: [".venv", "web/node_modules"].map(str::to_owned).to_vec(),
    }))])
}

pub(crate) fn workspace(by_client: bool) -> Option<Dialog> {
    opened([dialog_request(DialogRequest::ChooseWorkspace(Box::new(WorkspaceToChoose {
        session: SessionKey::parse("main").ok()?,
        label: Some("Garden website".to_owned()),
        folder: "/home/ada/projects/site".to_owned(),
        is_default: false,
        before: "/home/ada/.local/share/tidegate-workspace".to_owned(),
        shared_files: Some(if by_client { 1204 } else { 0 }),
        shared_places: [".venv", "web/node_modules"].map(str::to_owned).to_vec(),
        digest: String::new(),
        by_client,
    })))])
}

pub(crate) fn folder() -> Option<Dialog> {
    opened([dialog_request(DialogRequest::PickWorkspace {
        session: SessionKey::parse("main").ok()?,
        label: Some("Garden website".to_owned()),
        present: "/home/ada/.local/share/tidegate-workspace".to_owned(),
    })])
}

pub(crate) fn port_taken() -> Option<Dialog> {
    let reason = "Port 18789 is in use by /usr/bin/node (process 4711, user 1000). Stop that program or choose \
                  another port.";
    opened([Input::Host(HostState::PortTaken { reason: reason.to_owned(), free: 18_790 })])
}

fn a_token(name: &str) -> DialogRequest {
    DialogRequest::NewToken { name: name.to_owned(), level: Level::Write, pairing: false }
}

fn a_model_key() -> DialogRequest {
    DialogRequest::ModelKey { id: PROVIDER.to_owned(), base_url: BASE_URL.to_owned() }
}

fn dialog_request(request: DialogRequest) -> Input {
    Input::DialogRequest(request)
}

/// The dialog that the last of these inputs opens.
fn opened<const N: usize>(inputs: [Input; N]) -> Option<Dialog> {
    let (mut controller, _) = Controller::new(Launch::default(), now::timestamp());
    let effects = inputs.map(|input| controller.on(input, now::timestamp()));
    dialog_in(effects.into_iter().next_back()?).map(|(_, dialog)| dialog)
}

/// The dialog that follows when a person ends another with `outcome`, and that leads to `result`.
fn answered(
    request: DialogRequest,
    outcome: DialogOutcome,
    result: Result<Option<Secret>, String>,
) -> Option<Dialog> {
    let (mut controller, _) = Controller::new(Launch::default(), now::timestamp());
    let (id, _) = dialog_in(controller.on(Input::DialogRequest(request), now::timestamp()))?;
    let task = task_in(controller.on(Input::Dialog { id, outcome, press: Press::Device }, now::timestamp()))?;
    dialog_in(controller.on(Input::Done { task, result }, now::timestamp())).map(|(_, dialog)| dialog)
}

fn dialog_in(effects: Vec<Effect>) -> Option<(DialogId, Dialog)> {
    effects.into_iter().find_map(|effect| match effect {
        Effect::OpenDialog { id, dialog, .. } => Some((id, dialog)),
        _ => None,
    })
}

fn task_in(effects: Vec<Effect>) -> Option<TaskId> {
    effects.into_iter().find_map(|effect| match effect {
        Effect::NewToken { task, .. } | Effect::KeepModelKey { task, .. } => Some(task),
        _ => None,
    })
}
