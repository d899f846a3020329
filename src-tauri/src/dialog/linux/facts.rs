//! Who asks, for what, and from where.

use gtk::prelude::*;
use tidegate_desktop_core::dialog::{Field, FieldStyle};

use super::widgets::{self, GAP, Look};

/// How high the box of a command is at least and at most, in logical pixels.
const BLOCK: (i32, i32) = (40, 168);
/// How wide the text in it is about, in logical pixels.
const BLOCK_WIDTH: i32 = 570;
/// How much of a command is measured, in characters: more than this fills the box anyhow.
const MEASURED: usize = 4000;
/// Above and below the text in the box, in logical pixels.
const INSIDE: i32 = 8;

/// The fields, and the code that the client shows too.
pub(super) fn form(fields: &[Field], code: &str) -> gtk::Grid {
    let form = widgets::form();
    let mut row = 0;
    for (index, field) in fields.iter().enumerate() {
        match field.style {
            // The first one is the name that it claims.
            FieldStyle::Text if index == 0 => {
                widgets::add_row(&form, row, field.label, &widgets::text(&field.value, Look::Bold));
            }
            FieldStyle::Text => {
                widgets::add_row(&form, row, field.label, &widgets::text(&field.value, Look::Plain));
            }
            FieldStyle::Quote => {
                let quote = widgets::text(&field.value, Look::Plain);
                quote.style_context().add_class("tidegate-quote");
                widgets::add_row(&form, row, field.label, &quote);
            }
            FieldStyle::Code => {
                widgets::add_row(&form, row, field.label, &widgets::text(&field.value, Look::Monospace));
            }
            FieldStyle::Block => {
                add_block(&form, row, field);
                row += 1;
            }
        }
        row += 1;
    }
    if !code.is_empty() {
        let value = widgets::text(code, Look::Large);
        let hint = widgets::secondary("Compare it with the code that the client shows, if it shows one.");
        let line = gtk::Box::new(gtk::Orientation::Horizontal, GAP);
        for label in [&value, &hint] {
            label.set_valign(gtk::Align::Baseline);
            line.pack_start(label, false, false, 0);
        }
        let label = widgets::add_row(&form, row, "Code", &line);
        label.set_mnemonic_widget(Some(&value));
    }
    form
}

/// A text of many lines in a box that scrolls, below its label and over the whole width.
fn add_block(form: &gtk::Grid, row: i32, field: &Field) {
    let view = gtk::TextView::new();
    view.set_editable(false);
    view.set_cursor_visible(false);
    // Tab leaves it.
    view.set_accepts_tab(false);
    view.set_monospace(true);
    view.set_wrap_mode(gtk::WrapMode::WordChar);
    view.set_left_margin(10);
    view.set_right_margin(10);
    view.set_top_margin(INSIDE);
    view.set_bottom_margin(INSIDE);
    if let Some(buffer) = view.buffer() {
        buffer.set_text(&widgets::without_nul(&field.value));
        // Where the keyboard begins to scroll.
        buffer.place_cursor(&buffer.start_iter());
    }
    widgets::describe(&view, field.label, "");
    let scroller = gtk::ScrolledWindow::new(gtk::Adjustment::NONE, gtk::Adjustment::NONE);
    scroller.set_policy(gtk::PolicyType::External, gtk::PolicyType::Automatic);
    scroller.set_overlay_scrolling(false);
    scroller.set_shadow_type(gtk::ShadowType::In);
    scroller.set_size_request(-1, block_height(&field.value));
    scroller.set_hexpand(true);
    scroller.add(&view);
    let label = widgets::secondary(field.label);
    label.set_mnemonic_widget(Some(&view));
    form.attach(&label, 0, row, 2, 1);
    form.attach(&scroller, 0, row + 1, 2, 1);
}

/// A text view does not know how high it wants to be before it was drawn.
fn block_height(text: &str) -> i32 {
    let start: String = text.chars().take(MEASURED).collect();
    let measure = widgets::text(&start, Look::Monospace);
    // What is hidden needs no room.
    measure.show();
    BLOCK.1.min(BLOCK.0.max(measure.preferred_height_for_width(BLOCK_WIDTH).1 + 2 * INSIDE + 2))
}
