//! Asks for the name and the level of a new program token.

use std::rc::Rc;

use gtk::prelude::*;
use tidegate_desktop_core::dialog::{DialogOutcome, NewTokenDialog};
use tidegate_desktop_core::scope_words;
use tidegate_protocol::Scope;
use tidegate_trust::Level;

use super::arming::Arming;
use super::content::{Choice, Content, Place};
use super::widgets::{self, GAP, NEAR, WIDE};

const LEVELS: [Level; 3] = [Level::Read, Level::Write, Level::Full];
/// The greatest length of a name, in characters.
const MAX_NAME: i32 = 64;

pub(super) fn content(dialog: &NewTokenDialog, arming: &Rc<Arming>) -> Content {
    let body = widgets::column(WIDE);
    let name = widgets::entry("Name", &dialog.name);
    name.set_max_length(MAX_NAME);
    let form = widgets::form();
    widgets::add_row(&form, 0, "Name", &name);
    let hint =
        widgets::secondary("So that you can tell it from others later: the program's name, for example.");
    form.attach(&hint, 1, 1, 1, 1);
    body.pack_start(&form, false, false, 0);

    let levels = widgets::radios(&LEVELS.map(scope_words::level_sentence));
    let group = widgets::column(NEAR);
    group.pack_start(&widgets::group_title("What it may do"), false, false, 0);
    for (radio, level) in levels.iter().zip(LEVELS) {
        radio.set_active(level == dialog.level);
        group.pack_start(radio, false, false, 0);
    }
    let pairing = widgets::check(&scope_words::sentence(&Scope::Pairing), dialog.pairing);
    pairing.set_margin_top(GAP);
    group.pack_start(&pairing, false, false, 0);
    body.pack_start(&group, false, false, 0);

    let is_named = |name: &gtk::Entry| !name.text().trim().is_empty();
    arming.set_complete(is_named(&name));
    let weak = Rc::downgrade(arming);
    name.connect_changed(move |name| {
        if let Some(arming) = weak.upgrade() {
            arming.set_complete(is_named(name));
        }
    });

    let press = {
        let name = name.clone();
        move || {
            let chosen = levels.iter().zip(LEVELS).find(|(radio, _)| radio.is_active());
            Some(DialogOutcome::NewToken {
                name: name.text().trim().to_owned(),
                level: chosen.map_or(Level::Read, |(_, level)| level),
                pairing: pairing.is_active(),
            })
        }
    };
    Content {
        title: "Tidegate: new token",
        heading: dialog.heading.clone(),
        body,
        status: None,
        panel: None,
        choices: vec![
            Choice::ending("Cancel", Place::Dismiss, DialogOutcome::Dismissed),
            Choice {
                label: "Make token".into(),
                explanation: "Can be pressed once it has a name and you had time to read",
                place: Place::Armed,
                press: Box::new(press),
                built: None,
            },
        ],
        first_focus: Some(name.upcast()),
    }
}
