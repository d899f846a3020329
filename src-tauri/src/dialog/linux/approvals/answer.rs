//! What a person says to the agent with a denial.

use gtk::prelude::*;
use tidegate_trust::approval::MAX_WORDS;

use super::super::widgets::{self, NEAR, WIDE};

const LABEL: &str = "Tell the agent (optional)";

/// An entry above the buttons, hidden at first.
pub(super) struct Answer {
    panel: gtk::Box,
    entry: gtk::Entry,
}

impl Answer {
    pub(super) fn new() -> Self {
        let panel = widgets::column(NEAR);
        panel.set_margin_start(WIDE);
        panel.set_margin_end(WIDE);
        let entry = widgets::entry(LABEL, "");
        entry.set_max_length(i32::try_from(MAX_WORDS).unwrap_or(i32::MAX));
        let label = widgets::secondary(LABEL);
        label.set_mnemonic_widget(Some(&entry));
        panel.pack_start(&label, false, false, 0);
        panel.pack_start(&entry, false, false, 0);
        let hint = widgets::secondary(
            "It reads this with the denial. Stopping ends its run, and what that started.",
        );
        panel.pack_start(&hint, false, false, 0);
        panel.show_all();
        panel.set_no_show_all(true);
        panel.hide();
        Self { panel, entry }
    }

    pub(super) fn panel(&self) -> &gtk::Box {
        &self.panel
    }

    pub(super) fn open(&self) {
        self.panel.show();
        self.entry.grab_focus();
    }

    pub(super) fn close(&self) {
        self.panel.hide();
    }

    pub(super) fn is_open(&self) -> bool {
        self.panel.is_visible()
    }

    /// What was typed, while it is seen.
    pub(super) fn words(&self) -> Option<String> {
        let words = self.entry.text().trim().to_owned();
        (self.is_open() && !words.is_empty()).then_some(words)
    }
}
