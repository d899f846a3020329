//! A pairing request or a value of the configuration that waits for the person's decision.

mod clock;
mod grant;
mod rights;
pub(super) mod status;

use std::rc::Rc;

use gtk::prelude::*;
use tidegate_desktop_core::dialog::{DialogOutcome, ReviewDialog, ReviewOutcome, Selection};

use self::grant::Grant;
use self::rights::Rights;
use self::status::Status;
use super::arming::Arming;
use super::content::{Choice, Content, Place};
use super::facts;
use super::widgets::{self, GAP, WIDE};

pub(super) fn content(dialog: &ReviewDialog, arming: &Rc<Arming>) -> Content {
    let body = widgets::column(WIDE);
    if !dialog.cautions.is_empty() {
        let cautions = widgets::column(GAP);
        for caution in &dialog.cautions {
            cautions.pack_start(&widgets::caution(caution), false, false, 0);
        }
        body.pack_start(&cautions, false, false, 0);
    }
    body.pack_start(&facts::form(&dialog.fields, &dialog.code), false, false, 0);
    let rights = Rights::new(&dialog.rights, dialog.options.is_some());
    if let Some(section) = rights.section() {
        body.pack_start(section, false, false, 0);
    }
    let grant = dialog.options.as_ref().map(|options| Grant::new(options, rights, arming));
    if let Some(grant) = &grant {
        body.pack_start(grant.section(), false, false, 0);
    }
    Content {
        title: dialog.title,
        heading: dialog.heading.clone(),
        body,
        status: Some(Status::new(dialog.created_at, dialog.expires_at, &dialog.behind, arming)),
        panel: None,
        choices: choices(dialog, grant),
        first_focus: None,
    }
}

fn choices(dialog: &ReviewDialog, grant: Option<Rc<Grant>>) -> Vec<Choice> {
    let ending = |label, place, outcome| Choice::ending(label, place, DialogOutcome::Review(outcome));
    let mut choices = Vec::new();
    if dialog.can_block {
        choices.push(
            ending("Block", Place::Apart, ReviewOutcome::Block)
                .explained("Refuse it now and whenever it asks again"),
        );
    }
    choices.push(
        ending("Later", Place::Dismiss, ReviewOutcome::Later)
            .explained("Decide later. It stays in the list until its time is up."),
    );
    choices.push(ending(dialog.refuse, Place::Plain, ReviewOutcome::Refuse));
    choices.push(Choice {
        label: dialog.approve.into(),
        explanation: "Can be pressed once you had time to read",
        place: Place::Armed,
        press: Box::new(move || {
            let selection = grant.as_ref().map_or_else(Selection::default, |grant| grant.selection());
            Some(DialogOutcome::Review(ReviewOutcome::Approve(selection)))
        }),
        built: None,
    });
    choices
}
