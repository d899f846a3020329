//! Shows a token once.

use gtk::gdk;
use gtk::prelude::*;
use tidegate_desktop_core::dialog::{DialogOutcome, TokenDialog};

use super::content::{Choice, Content, Place};
use super::widgets::{self, GAP, Look};

pub(super) fn content(dialog: &TokenDialog) -> Content {
    let body = widgets::column(GAP);
    body.pack_start(&widgets::text(&dialog.explanation, Look::Plain), false, false, 0);
    let token = widgets::text(dialog.token.reveal(), Look::Monospace);
    token.set_selectable(true);
    // Selected by hand, but never first with the keyboard: it would show as selected.
    token.set_can_focus(false);
    widgets::describe(&token, "Token", "");
    let frame = widgets::column(0);
    frame.style_context().add_class("tidegate-box");
    frame.pack_start(&token, false, false, 0);
    body.pack_start(&frame, false, false, 0);
    let told = widgets::secondary("");
    body.pack_start(&told, false, false, 0);

    let copy = {
        let secret = dialog.token.clone();
        move || {
            gtk::Clipboard::get(&gdk::SELECTION_CLIPBOARD).set_text(secret.reveal());
            told.set_text("It is in the clipboard. Paste it into the program's settings.");
            None
        }
    };
    Content {
        title: "Tidegate: token",
        heading: dialog.heading.clone(),
        body,
        status: None,
        panel: None,
        choices: vec![
            Choice::ending("Close", Place::Dismiss, DialogOutcome::Dismissed),
            Choice {
                label: "Copy".into(),
                explanation: "Put the token into the clipboard",
                place: Place::Primary,
                press: Box::new(copy),
                built: None,
            },
        ],
        first_focus: None,
    }
}
