//! Dialogs that windows and the command line request, and those for tokens and keys.
//!
//! A request can come from any program of this user. So a request of one kind is heeded at most every
//! [`DIALOG_REQUEST_EVERY`], there is one dialog of a kind, and a further request only brings it to the front.
//! Within these bounds its dialog comes up with the keyboard, because mostly a person has just
//! pressed a button. What a request preselects is shown, and a person has to press an armed button.

use std::time::Duration;

use tidegate_protocol::{SessionKey, text};
use tidegate_trust::timestamp::Deadline;
use tidegate_trust::{Level, Timestamp};

use super::Controller;
use super::messages::workspace;
use super::tasks::Task;
use crate::dialog::{
    Attention, Dialog, DialogId, DialogOutcome, FolderDialog, ModelKeyDialog, NewTokenDialog, Secret,
    TokenDialog,
};
use crate::shell::{DialogRequest, Effect};

/// How often a request of one kind is heeded at most.
pub const DIALOG_REQUEST_EVERY: Duration = Duration::from_secs(1);
/// The most characters of a name or an id that a request begins with.
const MAX_NAME: usize = 60;
/// The most characters of a base URL that a request begins with.
const MAX_URL: usize = 512;
/// The most characters of a path.
const MAX_PATH: usize = 240;
/// How many tokens may be on the screen at once.
const MAX_TOKENS: usize = 16;

/// What is known of requests and their dialogs.
#[derive(Debug, Default)]
pub(super) struct DialogRequests {
    new_token: Option<DialogId>,
    model_key: Option<DialogId>,
    /// The chooser of a folder, and the session that it is for.
    folder: Option<(DialogId, SessionKey)>,
    /// Tokens that are shown.
    tokens: Vec<DialogId>,
    /// Requests that came while the screen was locked: the newest of each kind.
    held: Vec<DialogRequest>,
    gates: [Option<Deadline>; KINDS],
}

impl DialogRequests {
    pub(super) fn is_open(&self, id: DialogId) -> bool {
        let is_folder = self.folder.as_ref().is_some_and(|(open, _)| *open == id);
        self.new_token == Some(id) || self.model_key == Some(id) || is_folder || self.tokens.contains(&id)
    }
}

impl Controller {
    pub(super) fn dialog_requested(
        &mut self,
        request: DialogRequest,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if self.is_quitting {
            return;
        }
        if self.is_locked {
            let kind = kind(&request);
            self.dialog_requests.held.retain(|held| self::kind(held) != kind);
            self.dialog_requests.held.push(request);
            return;
        }
        let gate = &mut self.dialog_requests.gates[kind(&request)];
        if gate.is_some_and(|gate| !gate.has_passed(now)) {
            return;
        }
        *gate = Some(now.deadline(DIALOG_REQUEST_EVERY));
        match request {
            DialogRequest::Review(None) => {
                let keys = self.keys_where(|_| true);
                self.ask_for_reviews(keys, effects);
            }
            DialogRequest::Review(Some(id)) => {
                let keys = self.keys_where(|entry| entry.key.id() == id);
                self.ask_for_reviews(keys, effects);
            }
            DialogRequest::NewToken { name, level, pairing } => {
                let heading = "New access token".to_owned();
                self.open_new_token(heading, &name, level, pairing, effects);
            }
            DialogRequest::ModelKey { id, base_url } => {
                self.open_model_key(String::new(), &id, &base_url, effects);
            }
            DialogRequest::Unblock { id, name } => self.asked_to_unblock(id, &name, effects),
            DialogRequest::TakeServer { model, owner, user, address } => {
                self.asked_to_take_server(model, owner, &user, &address, effects);
            }
            DialogRequest::KeepFile(file) => self.asked_to_keep_file(*file, effects),
            DialogRequest::Unshare(shared) => self.asked_to_unshare(shared, effects),
            DialogRequest::UsePermissions => self.asked_to_use_permissions(effects),
            DialogRequest::ChooseWorkspace(asked) => self.asked_to_choose_workspace(*asked, effects),
            DialogRequest::PickWorkspace { session, label, present } => {
                self.open_folder_chooser(session, label.as_deref(), &present, effects);
            }
            DialogRequest::Window(page) => effects.push(Effect::OpenWindow(page)),
        }
    }

    /// Carries out what came while the screen was locked.
    pub(super) fn settle_dialog_requests(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if !self.is_locked {
            for request in std::mem::take(&mut self.dialog_requests.held) {
                self.dialog_requested(request, now, effects);
            }
        }
    }

    pub(super) fn requested_dialog_ended(
        &mut self,
        id: DialogId,
        outcome: DialogOutcome,
        effects: &mut Vec<Effect>,
    ) {
        self.dialog_requests.tokens.retain(|&shown| shown != id);
        let was_new_token = self.dialog_requests.new_token.take_if(|&mut open| open == id).is_some();
        let was_model_key = self.dialog_requests.model_key.take_if(|&mut open| open == id).is_some();
        let folder_of = self.dialog_requests.folder.take_if(|(open, _)| *open == id);
        match outcome {
            DialogOutcome::NewToken { name, level, pairing } if was_new_token => {
                let name = name.trim().to_owned();
                let task = self.begin(Task::NewToken { name: name.clone(), level, pairing });
                effects.push(Effect::NewToken { task, name, level, pairing });
            }
            DialogOutcome::ModelKey { id, base_url, key } if was_model_key => {
                let (id, base_url) = (id.trim().to_owned(), base_url.trim().to_owned());
                let task = self.begin(Task::KeepModelKey { id: id.clone(), base_url: base_url.clone() });
                effects.push(Effect::KeepModelKey { task, id, base_url, key });
            }
            DialogOutcome::Folder { path: folder } => {
                if let Some((_, session)) = folder_of {
                    let task = self.begin(Task::ChooseWorkspace);
                    effects.push(Effect::PickWorkspace { task, session, folder });
                }
            }
            _ => {}
        }
    }

    /// Shows a token, once.
    pub(super) fn show_token(&mut self, name: &str, token: Secret, effects: &mut Vec<Effect>) {
        let id = self.numbers.dialog();
        let name = text::one_line(name, MAX_NAME);
        let dialog = Dialog::Token(TokenDialog {
            heading: format!("The token for \"{name}\""),
            explanation:
                "It is shown this once: Tidegate keeps only its hash. Give it to the program as its \
                          gateway token (for OpenClaw's command line: --token, or OPENCLAW_GATEWAY_TOKEN)."
                    .to_owned(),
            token,
        });
        effects.push(Effect::OpenDialog { id, dialog, attention: Attention::Asked });
        if self.dialog_requests.tokens.len() >= MAX_TOKENS {
            effects.push(Effect::CloseDialog(self.dialog_requests.tokens.remove(0)));
        }
        self.dialog_requests.tokens.push(id);
    }

    /// Asks again, since the last try did not work.
    pub(super) fn ask_for_token_again(
        &mut self,
        problem: &str,
        name: String,
        level: Level,
        pairing: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.open_new_token(format!("That did not work: {problem}"), &name, level, pairing, effects);
    }

    /// Asks again, since the last try did not work.
    pub(super) fn ask_for_key_again(
        &mut self,
        problem: String,
        id: String,
        base_url: String,
        effects: &mut Vec<Effect>,
    ) {
        self.open_model_key(problem, &id, &base_url, effects);
    }

    pub(super) fn say_key_kept(&mut self, id: &str, effects: &mut Vec<Effect>) {
        let sentence = format!("Tidegate can use the models of \"{}\".", text::one_line(id, MAX_NAME));
        self.say_done("Connected.", &sentence, effects);
    }

    pub(super) fn say_server_taken(&mut self, model: &str, effects: &mut Vec<Effect>) {
        let model = text::one_line(model, MAX_NAME);
        let sentence = format!("{model} answers from now on, where a session did not choose another model.");
        self.say_done("The model server is in use.", &sentence, effects);
    }

    pub(super) fn open_new_token(
        &mut self,
        heading: String,
        name: &str,
        level: Level,
        pairing: bool,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(id) = self.dialog_requests.new_token {
            effects.push(Effect::PresentDialog(id));
            return;
        }
        let id = self.numbers.dialog();
        self.dialog_requests.new_token = Some(id);
        let name = text::one_line(name, MAX_NAME);
        let dialog = Dialog::NewToken(NewTokenDialog { heading, name, level, pairing });
        effects.push(Effect::OpenDialog { id, dialog, attention: Attention::Asked });
    }

    /// There is one, for the session that it began with.
    fn open_folder_chooser(
        &mut self,
        session: SessionKey,
        label: Option<&str>,
        present: &str,
        effects: &mut Vec<Effect>,
    ) {
        if let Some((id, _)) = &self.dialog_requests.folder {
            effects.push(Effect::PresentDialog(*id));
            return;
        }
        let dialog = Dialog::Folder(FolderDialog {
            heading: "In which folder shall this session work?".to_owned(),
            text: format!(
                "Session: {}\nUntil now: {}\n\nIts agents and their subagents read and change everything in the folder \
                 without asking you. Commands that you allow start there.",
                workspace::session(label, session.as_str()),
                text::one_line(present, MAX_PATH)
            ),
            approve: "Use this folder",
        });
        let id = self.numbers.dialog();
        self.dialog_requests.folder = Some((id, session));
        effects.push(Effect::OpenDialog { id, dialog, attention: Attention::Asked });
    }

    fn open_model_key(&mut self, problem: String, id: &str, base_url: &str, effects: &mut Vec<Effect>) {
        if let Some(id) = self.dialog_requests.model_key {
            effects.push(Effect::PresentDialog(id));
            return;
        }
        let dialog = Dialog::ModelKey(ModelKeyDialog {
            heading: "Connect a model".to_owned(),
            id: text::one_line(id, MAX_NAME),
            base_url: text::one_line(base_url, MAX_URL),
            problem,
        });
        let id = self.numbers.dialog();
        self.dialog_requests.model_key = Some(id);
        effects.push(Effect::OpenDialog { id, dialog, attention: Attention::Asked });
    }
}

/// How many kinds of requests there are.
const KINDS: usize = 11;

/// The kind of a request, as the place of its gate.
fn kind(request: &DialogRequest) -> usize {
    match request {
        DialogRequest::Review(_) => 0,
        DialogRequest::NewToken { .. } => 1,
        DialogRequest::ModelKey { .. } => 2,
        DialogRequest::Unblock { .. } => 3,
        DialogRequest::Window(_) => 4,
        DialogRequest::TakeServer { .. } => 5,
        DialogRequest::KeepFile(_) => 6,
        DialogRequest::Unshare(_) => 7,
        DialogRequest::UsePermissions => 10,
        DialogRequest::ChooseWorkspace(_) => 8,
        DialogRequest::PickWorkspace { .. } => 9,
    }
}
