//! For systems whose dialogs are not written yet: everything is put aside, and the command line
//! decides.

use tidegate_desktop_core::dialog::{
    ApprovalsOutcome, Attention, Dialog, DialogId, DialogOutcome, ReviewOutcome,
};
use tidegate_desktop_core::press::Press;
use tidegate_protocol::UnixMillis;

use super::{NativeDialogs, Outcomes};

/// Dialogs that nobody sees.
pub(super) struct NoDialogs {
    outcomes: Outcomes,
}

impl NoDialogs {
    pub(super) fn new(outcomes: Outcomes) -> Self {
        Self { outcomes }
    }
}

impl NativeDialogs for NoDialogs {
    fn open(&self, id: DialogId, dialog: Dialog, _attention: Attention) {
        tracing::warn!(
            "there are no dialogs on this system yet; decide with `tidegate devices` and `tidegate approvals`"
        );
        let outcome = match dialog {
            Dialog::Review(_) => DialogOutcome::Review(ReviewOutcome::Later),
            Dialog::Approvals(_) => DialogOutcome::Approvals(ApprovalsOutcome::Later),
            Dialog::NewToken(_)
            | Dialog::Token(_)
            | Dialog::ModelKey(_)
            | Dialog::Folder(_)
            | Dialog::Message(_) => DialogOutcome::Dismissed,
        };
        // Without a receiver the shell ends.
        let _ = self.outcomes.send((id, outcome, Press::of(None)));
    }

    fn update(&self, _id: DialogId, _dialog: Dialog) {}

    fn refresh(&self, _id: DialogId, _behind: String, _expires_at: UnixMillis) {}

    fn present(&self, _id: DialogId) {}

    fn close(&self, _id: DialogId) {}
}
