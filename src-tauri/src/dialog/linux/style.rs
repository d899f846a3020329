//! The few rules of style that the theme does not have.

use std::cell::Cell;

use gtk::gdk;
use gtk::prelude::*;

thread_local! {
    static IS_LOADED: Cell<bool> = const { Cell::new(false) };
}

/// Loads the style, once.
pub(super) fn load() {
    if IS_LOADED.replace(true) {
        return;
    }
    let Some(screen) = gdk::Screen::default() else { return };
    let provider = gtk::CssProvider::new();
    match provider.load_from_data(include_bytes!("style.css")) {
        Ok(()) => gtk::StyleContext::add_provider_for_screen(
            &screen,
            &provider,
            gtk::STYLE_PROVIDER_PRIORITY_APPLICATION,
        ),
        // The dialogs are plainer then, and work.
        Err(error) => tracing::warn!(%error, "the style of the dialogs could not be loaded"),
    }
}
