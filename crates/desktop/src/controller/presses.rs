//! Presses of approving buttons by programs: refused while a command of an agent could have made
//! them, else allowed; recorded in both cases.

use tidegate_protocol::text;

use super::Controller;
use crate::dialog::{ApprovalsOutcome, DialogId, DialogOutcome, ReviewOutcome};
use crate::press::Press;
use crate::shell::Effect;

/// The most characters of a name that is recorded.
const MAX_NAME: usize = 60;

const REFUSED: &str = "Nothing was approved: a program pressed the button while an agent's command is running that \
                       is not contained. Press it with this computer's mouse or keyboard, or wait until the command \
                       has ended.";

impl Controller {
    /// Whether a press counts. One of a program that would approve something is recorded.
    pub(super) fn may_press(
        &self,
        id: DialogId,
        outcome: &DialogOutcome,
        press: Press,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Press::Synthetic(by) = press else { return true };
        let Some(about) = self.approved_by(id, outcome) else { return true };
        let is_allowed = !self.work.has_commands_beyond_contained;
        effects.push(Effect::AuditSyntheticPress { about, by, is_allowed });
        is_allowed
    }

    /// A press did not count: asks again, and says why.
    pub(super) fn press_refused(&mut self, id: DialogId, outcome: DialogOutcome, effects: &mut Vec<Effect>) {
        match outcome {
            DialogOutcome::Review(_) | DialogOutcome::Approvals(_) => self.review_again(REFUSED.to_owned()),
            DialogOutcome::NewToken { name, level, pairing } => {
                self.requested_dialog_ended(id, DialogOutcome::Dismissed, effects);
                self.open_new_token(REFUSED.to_owned(), &name, level, pairing, effects);
            }
            DialogOutcome::ModelKey { id: server, base_url, .. } => {
                self.requested_dialog_ended(id, DialogOutcome::Dismissed, effects);
                self.ask_for_key_again(REFUSED.to_owned(), server, base_url, effects);
            }
            DialogOutcome::Folder { .. } => {
                self.requested_dialog_ended(id, DialogOutcome::Dismissed, effects);
                self.say_problem(REFUSED, effects);
            }
            DialogOutcome::Proceed | DialogOutcome::Other | DialogOutcome::Dismissed => {
                self.message_ended(id, &DialogOutcome::Dismissed, effects);
                self.say_problem(REFUSED, effects);
            }
        }
    }

    /// What an outcome approves, in the words of the audit log; `None` when it approves nothing.
    fn approved_by(&self, id: DialogId, outcome: &DialogOutcome) -> Option<String> {
        match outcome {
            DialogOutcome::Review(ReviewOutcome::Approve(_)) => {
                self.reviews.open_key(id).map(|key| key.id().to_owned())
            }
            DialogOutcome::Approvals(ApprovalsOutcome::Allow { items, .. }) => {
                self.reviews.open_key(id).map(|_| text::one_line(&items.join(", "), MAX_NAME))
            }
            DialogOutcome::NewToken { name, .. } if self.dialog_requests.is_open(id) => {
                Some(format!("new token {}", text::one_line(name, MAX_NAME)))
            }
            DialogOutcome::ModelKey { id: server, .. } if self.dialog_requests.is_open(id) => {
                Some(format!("model key {}", text::one_line(server, MAX_NAME)))
            }
            DialogOutcome::Folder { path } if self.dialog_requests.is_open(id) => {
                Some(format!("folder {}", text::one_line(path, MAX_NAME)))
            }
            DialogOutcome::Proceed => self.messages.approved_by(id),
            _ => None,
        }
    }
}
