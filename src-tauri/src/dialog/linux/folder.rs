//! Asks for a folder, with the toolkit's own chooser.

use std::rc::Rc;

use gtk::prelude::*;
use tidegate_desktop_core::dialog::{DialogOutcome, FolderDialog};

use super::arming::Arming;
use super::content::{Choice, Content, Place};
use super::widgets::{self, GAP, Look};

/// How high the chooser is, in logical pixels: a dozen folders.
const HEIGHT: i32 = 360;

pub(super) fn content(dialog: &FolderDialog, arming: &Rc<Arming>) -> Content {
    let body = widgets::column(GAP);
    body.pack_start(&widgets::text(&dialog.text, Look::Plain), false, false, 0);
    let chooser = gtk::FileChooserWidget::new(gtk::FileChooserAction::SelectFolder);
    chooser.set_local_only(true);
    chooser.set_size_request(-1, HEIGHT);
    if let Some(home) = gtk::glib::home_dir().to_str() {
        // Where that cannot be shown, the chooser begins elsewhere.
        let _ = chooser.set_current_folder(home);
    }
    body.pack_start(&chooser, true, true, 0);

    arming.set_complete(picked(&chooser).is_some());
    let guarded = Rc::downgrade(arming);
    chooser.connect_selection_changed(move |chooser| {
        if let Some(arming) = guarded.upgrade() {
            arming.set_complete(picked(chooser).is_some());
        }
    });
    Content {
        title: "Choose a folder",
        heading: dialog.heading.clone(),
        body,
        status: None,
        panel: None,
        choices: vec![
            Choice::ending("Cancel", Place::Dismiss, DialogOutcome::Dismissed),
            Choice {
                label: dialog.approve.into(),
                explanation: "Can be pressed once a folder is chosen and you had time to read",
                place: Place::Armed,
                press: Box::new(move || picked(&chooser).map(|path| DialogOutcome::Folder { path })),
                built: None,
            },
        ],
        first_focus: None,
    }
}

/// The folder that is marked, or the open one. One whose name is no text cannot be shown to anyone.
fn picked(chooser: &gtk::FileChooserWidget) -> Option<String> {
    chooser.filename()?.into_os_string().into_string().ok()
}
