//! The question whether permissions are used again, after the person was to be asked about everything.

use crate::dialog::MessageDialog;

pub(super) fn question() -> MessageDialog {
    MessageDialog {
        heading: "Use your permissions again?".to_owned(),
        text: "Agents then do what you allowed before without asking: contained commands in your folders, and the \
               rest that Tidegate lists under Permissions."
            .to_owned(),
        proceed: Some("Use permissions".into()),
        other: None,
        dismiss: "Keep asking",
    }
}
