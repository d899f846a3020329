//! Effects that are answered, and what follows from their answers.

use tidegate_protocol::text;

use super::Controller;
use super::waiting::Key;
use crate::dialog::Secret;
use crate::shell::{Effect, TaskId};

/// The most characters of a sentence from the host.
const MAX_SENTENCE: usize = 480;

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// A decision about something that waits.
    Decide { key: Key, decided: Decided },
    /// A token of its own for a program that waits.
    GiveToken { key: Key, name: String },
    /// A token for a program.
    NewToken { name: String, level: tidegate_trust::Level, pairing: bool },
    /// The key of a model server. The key itself is not kept.
    KeepModelKey { id: String, base_url: String },
    /// Something is blocked no longer.
    Unblock,
    /// A model server on this computer is in use.
    TakeServer { model: String },
    /// A file that was set aside is back.
    KeepFile,
    /// A folder has copies of its own.
    Unshare,
    /// A decision that gives a permission. The others were allowed with it, each by its digest.
    Permit { key: Key, others: Vec<(Key, String)> },
    /// The person is asked about everything.
    AskEverything,
    /// Permissions are used again.
    UsePermissions,
    /// A session works in another folder.
    ChooseWorkspace,
    /// The connection lines are in the clipboard.
    CopyConnectionLines,
    /// The log is open in a viewer.
    OpenLogs,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decided {
    Approved,
    Refused,
    Blocked,
    PutAside,
    /// In a notification, which anybody may have answered.
    RefusedInNotification,
    /// With another one, whose decision may be for this as well.
    Along,
}

impl Controller {
    pub(super) fn begin(&mut self, task: Task) -> TaskId {
        let id = self.numbers.task();
        self.tasks.insert(id, task);
        id
    }

    pub(super) fn task_done(
        &mut self,
        id: TaskId,
        result: Result<Option<Secret>, String>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(task) = self.tasks.remove(&id) else { return };
        let result = result.map_err(|sentence| text::one_line(&sentence, MAX_SENTENCE));
        match (task, result) {
            (
                Task::Decide { .. }
                | Task::Unblock
                | Task::KeepFile
                | Task::AskEverything
                | Task::UsePermissions
                | Task::ChooseWorkspace
                | Task::OpenLogs,
                Ok(_),
            ) => {}
            (Task::Permit { others, .. }, Ok(_)) => self.permitted(others, effects),
            (Task::Permit { key, others }, Err(problem)) => {
                self.not_permitted(&others);
                self.decision_failed(&key, Decided::Approved, problem, effects);
            }
            (Task::CopyConnectionLines, Ok(_)) => self.connection_lines_copied(effects),
            (Task::OpenLogs, Err(problem)) => self.say_log_not_opened(&problem, effects),
            (Task::TakeServer { model }, Ok(_)) => self.say_server_taken(&model, effects),
            // It may have taken a while.
            (Task::Unshare, Ok(_)) => {
                self.say_done("The files are unshared.", "The folder has copies of its own now.", effects);
            }
            (
                Task::Unblock
                | Task::TakeServer { .. }
                | Task::KeepFile
                | Task::Unshare
                | Task::AskEverything
                | Task::UsePermissions
                | Task::ChooseWorkspace
                | Task::CopyConnectionLines,
                Err(problem),
            ) => self.say_problem(&problem, effects),
            (Task::Decide { key, decided }, Err(problem)) => {
                self.decision_failed(&key, decided, problem, effects);
            }
            (Task::GiveToken { name, .. } | Task::NewToken { name, .. }, Ok(Some(token))) => {
                self.show_token(&name, token, effects);
            }
            (Task::GiveToken { key, .. }, Ok(None)) => {
                self.decision_failed(&key, Decided::Approved, NO_TOKEN.to_owned(), effects);
            }
            (Task::GiveToken { key, .. }, Err(problem)) => {
                self.decision_failed(&key, Decided::Approved, problem, effects);
            }
            (Task::NewToken { name, level, pairing }, Ok(None)) => {
                self.ask_for_token_again(NO_TOKEN, name, level, pairing, effects);
            }
            (Task::NewToken { name, level, pairing }, Err(problem)) => {
                self.ask_for_token_again(&problem, name, level, pairing, effects);
            }
            (Task::KeepModelKey { id, .. }, Ok(_)) => self.say_key_kept(&id, effects),
            (Task::KeepModelKey { id, base_url }, Err(problem)) => {
                self.ask_for_key_again(problem, id, base_url, effects);
            }
        }
    }

    fn decision_failed(&mut self, key: &Key, decided: Decided, problem: String, effects: &mut Vec<Effect>) {
        let still_waits = self.waiting.get(key).is_some();
        match decided {
            Decided::Approved | Decided::Blocked if still_waits => self.show_again(key, problem),
            Decided::Refused if still_waits => self.show_again(key, problem),
            Decided::Approved => self.say_problem(&format!("Nothing was allowed: {problem}"), effects),
            Decided::Blocked => self.say_problem(&format!("It was not blocked: {problem}"), effects),
            // It waits again, and every surface shows it.
            Decided::RefusedInNotification if still_waits => {
                if let Some(entry) = self.waiting.get_mut(key) {
                    entry.is_decided = false;
                }
            }
            // It ended by itself, which is what was wanted.
            Decided::Refused | Decided::RefusedInNotification => {}
            // The decision may have been for it, too. If not, it is in the line that is read now.
            Decided::Along => {
                self.waiting.forget(|entry| entry.key == *key);
                effects.push(Effect::ReadQueue);
            }
            // It is put aside here all the same.
            Decided::PutAside => {}
        }
    }
}

const NO_TOKEN: &str = "No token was made.";
