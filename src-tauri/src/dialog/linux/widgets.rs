//! The parts that every dialog is put together from. Text goes in as it is: never as markup, never
//! with mnemonics.

use std::borrow::Cow;

use gtk::cairo;
use gtk::glib::Propagation;
use gtk::prelude::*;

/// Between parts that belong together, in logical pixels.
pub(super) const NEAR: i32 = 6;
/// Between parts, in logical pixels.
pub(super) const GAP: i32 = 12;
/// Around everything, and between groups.
pub(super) const WIDE: i32 = 18;

/// How wide and high a sign is, in logical pixels.
pub(super) const SIGN: i32 = 16;

/// How letters look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Bold,
    Heading,
    Monospace,
    Large,
}

/// A text that wraps and cannot be selected.
pub(super) fn text(text: &str, look: Look) -> gtk::Label {
    let label = gtk::Label::new(None);
    label.set_text(&without_nul(text));
    label.set_attributes(Some(&attributes(look)));
    label.set_xalign(0.0);
    label.set_line_wrap(true);
    label.set_line_wrap_mode(match look {
        Look::Monospace => pango::WrapMode::Char,
        _ => pango::WrapMode::WordChar,
    });
    // What is natural without wrapping must not widen the window.
    label.set_max_width_chars(60);
    label
}

/// A text of less weight.
pub(super) fn secondary(words: &str) -> gtk::Label {
    let label = text(words, Look::Plain);
    label.style_context().add_class("tidegate-secondary");
    label
}

/// The title of a group of controls.
pub(super) fn group_title(words: &str) -> gtk::Label {
    let label = text(words, Look::Bold);
    label.set_margin_top(NEAR);
    label
}

/// A text in a box of its own, marked by a sign and by colour.
pub(super) fn caution(words: &str) -> gtk::Box {
    let row = gtk::Box::new(gtk::Orientation::Horizontal, 10);
    row.style_context().add_class("tidegate-caution");
    let sign = sign();
    sign.set_valign(gtk::Align::Start);
    row.pack_start(&sign, false, false, 0);
    let label = text(words, Look::Plain);
    row.pack_start(&label, true, true, 0);
    describe(&row, "Caution", words);
    row
}

/// The sign of a caution: a triangle around an exclamation mark, in the colour of the text around it.
///
/// It is drawn here, as the marks of boxes are by the toolkit (`style.css`): an icon of the theme would
/// load a library for vector graphics that takes more memory than everything else in a dialog.
pub(super) fn sign() -> gtk::DrawingArea {
    let sign = gtk::DrawingArea::new();
    sign.set_size_request(SIGN, SIGN);
    sign.style_context().add_class("tidegate-sign");
    sign.connect_draw(|sign, context| {
        let colour = sign.style_context().color(sign.state_flags());
        context.set_source_rgba(colour.red(), colour.green(), colour.blue(), colour.alpha());
        let left = f64::from(sign.allocated_width() - SIGN) / 2.0;
        let top = f64::from(sign.allocated_height() - SIGN) / 2.0;
        context.translate(left, top);
        if let Err(error) = draw_sign(context) {
            tracing::warn!(%error, "the sign of a caution could not be drawn");
        }
        Propagation::Proceed
    });
    if let Some(accessible) = sign.accessible() {
        accessible.set_role(gtk::atk::Role::Icon);
    }
    describe(&sign, "Caution", "");
    sign
}

fn draw_sign(context: &cairo::Context) -> Result<(), cairo::Error> {
    context.set_line_join(cairo::LineJoin::Round);
    context.set_line_cap(cairo::LineCap::Round);
    context.set_line_width(1.5);
    context.move_to(8.0, 1.75);
    context.line_to(14.75, 14.0);
    context.line_to(1.25, 14.0);
    context.close_path();
    context.stroke()?;
    context.move_to(8.0, 6.25);
    context.line_to(8.0, 9.25);
    context.stroke()?;
    context.arc(8.0, 11.75, 0.95, 0.0, std::f64::consts::TAU);
    context.fill()
}

/// A vertical box.
pub(super) fn column(spacing: i32) -> gtk::Box {
    gtk::Box::new(gtk::Orientation::Vertical, spacing)
}

/// A grid of labels and values.
pub(super) fn form() -> gtk::Grid {
    let grid = gtk::Grid::new();
    grid.set_row_spacing(6);
    grid.set_column_spacing(GAP.unsigned_abs());
    grid
}

/// Puts a label and what it names into the next row of a form. The label is returned.
pub(super) fn add_row(form: &gtk::Grid, row: i32, label: &str, value: &impl IsA<gtk::Widget>) -> gtk::Label {
    let label = secondary(label);
    label.set_xalign(1.0);
    label.set_valign(gtk::Align::Baseline);
    label.set_mnemonic_widget(Some(value));
    value.set_valign(gtk::Align::Baseline);
    value.set_hexpand(true);
    form.attach(&label, 0, row, 1, 1);
    form.attach(value, 1, row, 1, 1);
    label
}

/// An entry for one line, with the words that it is known by.
pub(super) fn entry(name: &str, content: &str) -> gtk::Entry {
    let entry = gtk::Entry::new();
    entry.set_text(&without_nul(content));
    entry.set_halign(gtk::Align::Fill);
    entry.set_width_chars(28);
    describe(&entry, name, "");
    entry
}

/// A box to tick, whose words wrap.
pub(super) fn check(words: &str, is_active: bool) -> gtk::CheckButton {
    let check = gtk::CheckButton::new();
    check.add(&text(words, Look::Plain));
    check.set_active(is_active);
    describe(&check, words, "");
    check
}

/// One of several choices that exclude each other, of which the first is chosen at first.
pub(super) fn radios(labels: &[&str]) -> Vec<gtk::RadioButton> {
    let mut radios: Vec<gtk::RadioButton> = Vec::new();
    for label in labels {
        let radio = match radios.first() {
            Some(first) => gtk::RadioButton::from_widget(first),
            None => gtk::RadioButton::new(),
        };
        radio.add(&text(label, Look::Plain));
        describe(&radio, label, "");
        radios.push(radio);
    }
    radios
}

/// What assistive technology calls a widget, and says more about it.
pub(super) fn describe(widget: &impl IsA<gtk::Widget>, name: &str, description: &str) {
    if let Some(accessible) = widget.accessible() {
        accessible.set_name(&without_nul(name));
        if !description.is_empty() {
            accessible.set_description(&without_nul(description));
        }
    }
}

/// A text as GTK can take it: a NUL would end it, and the bindings refuse one with a panic.
pub(super) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{2400}")) } else { Cow::Borrowed(text) }
}

fn attributes(look: Look) -> pango::AttrList {
    let list = pango::AttrList::new();
    // A fingerprint or a name is shown as it is, wherever its line ends.
    list.insert(pango::AttrInt::new_insert_hyphens(false));
    match look {
        Look::Plain => {}
        Look::Bold => list.insert(pango::AttrInt::new_weight(pango::Weight::Bold)),
        Look::Heading => {
            list.insert(pango::AttrInt::new_weight(pango::Weight::Bold));
            list.insert(pango::AttrFloat::new_scale(1.3));
        }
        Look::Monospace => list.insert(pango::AttrString::new_family("monospace")),
        Look::Large => {
            list.insert(pango::AttrString::new_family("monospace"));
            list.insert(pango::AttrInt::new_weight(pango::Weight::Bold));
            list.insert(pango::AttrFloat::new_scale(1.2));
        }
    }
    list
}
