//! Asks for the key of a model server.

use std::rc::Rc;

use gtk::prelude::*;
use tidegate_desktop_core::dialog::{DialogOutcome, ModelKeyDialog, Secret};

use super::arming::Arming;
use super::content::{Choice, Content, Place};
use super::widgets::{self, WIDE};

pub(super) fn content(dialog: &ModelKeyDialog, arming: &Rc<Arming>) -> Content {
    let body = widgets::column(WIDE);
    if !dialog.problem.is_empty() {
        body.pack_start(&widgets::caution(&dialog.problem), false, false, 0);
    }
    let id = widgets::entry("Provider", &dialog.id);
    let base_url = widgets::entry("Base URL", &dialog.base_url);
    base_url.set_input_purpose(gtk::InputPurpose::Url);
    let key = widgets::entry("API key", "");
    key.set_visibility(false);
    key.set_input_purpose(gtk::InputPurpose::Password);
    let form = widgets::form();
    widgets::add_row(&form, 0, "Provider", &id);
    widgets::add_row(&form, 1, "Base URL", &base_url);
    widgets::add_row(&form, 2, "API key", &key);
    let hint = widgets::secondary(
        "Leave the key empty if the server needs none. It is sent to this address only, and kept in the system's \
         keyring where there is one.",
    );
    form.attach(&hint, 1, 3, 1, 1);
    body.pack_start(&form, false, false, 0);

    // A server on the local network mostly needs no key.
    let entries = [&id, &base_url].map(Clone::clone);
    let is_filled =
        move |entries: &[gtk::Entry; 2]| entries.iter().all(|entry| !entry.text().trim().is_empty());
    arming.set_complete(is_filled(&entries));
    for entry in &entries {
        let arming = Rc::downgrade(arming);
        let weak = entries.each_ref().map(ObjectExt::downgrade);
        entry.connect_changed(move |_| {
            let [Some(id), Some(base_url)] = weak.each_ref().map(|entry| entry.upgrade()) else {
                return;
            };
            if let Some(arming) = arming.upgrade() {
                arming.set_complete(is_filled(&[id, base_url]));
            }
        });
    }

    let first_focus = entries.iter().chain([&key]).find(|entry| entry.text().is_empty()).cloned();
    let press = move || {
        let typed = Secret::new(key.text().trim().to_owned());
        // The entry's own copy goes as soon as it is not needed.
        key.set_text("");
        Some(DialogOutcome::ModelKey {
            id: id.text().trim().to_owned(),
            base_url: base_url.text().trim().to_owned(),
            key: typed,
        })
    };
    Content {
        title: "Connect a model",
        heading: dialog.heading.clone(),
        body,
        status: None,
        panel: None,
        choices: vec![
            Choice::ending("Cancel", Place::Dismiss, DialogOutcome::Dismissed),
            Choice {
                label: "Try and save".into(),
                explanation: "Can be pressed once provider and address are filled in and you had time to read",
                place: Place::Armed,
                press: Box::new(press),
                built: None,
            },
        ],
        first_focus: first_focus.map(Cast::upcast),
    }
}
