//! Says something, or asks yes or no.

use gtk::prelude::*;
use tidegate_desktop_core::dialog::{DialogOutcome, MessageDialog};

use super::content::{Choice, Content, Place};
use super::widgets::{self, GAP, Look};

pub(super) fn content(dialog: &MessageDialog) -> Content {
    let body = widgets::column(GAP);
    body.pack_start(&widgets::text(&dialog.text, Look::Plain), false, false, 0);
    let mut choices = vec![Choice::ending(dialog.dismiss, Place::Dismiss, DialogOutcome::Dismissed)];
    if let Some(other) = dialog.other {
        choices.push(Choice::ending(other, Place::Plain, DialogOutcome::Other));
    }
    if let Some(proceed) = dialog.proceed.clone() {
        // What goes on may unblock a device or end work: no stray key or click does that.
        choices.push(Choice::ending(proceed, Place::Armed, DialogOutcome::Proceed));
    }
    Content {
        title: "Tidegate",
        heading: dialog.heading.clone(),
        body,
        status: None,
        panel: None,
        choices,
        first_focus: None,
    }
}
