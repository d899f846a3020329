//! What the keyboard does in a dialog.

use std::time::Instant;

use gtk::gdk;
use gtk::glib::Propagation;
use gtk::prelude::*;
use tidegate_desktop_core::dialog::ARM_AFTER;

use super::super::press;
use super::DialogWindow;

impl DialogWindow {
    pub(super) fn key_pressed(&self, event: &gdk::EventKey) -> Propagation {
        use gdk::keys::constants as key;

        let focus = self.window.focused_widget();
        let is_in_entry = focus.as_ref().is_some_and(|focus| focus.is::<gtk::Entry>());
        // Somebody who types elsewhere must not put it aside before they have seen it.
        let is_unseen = self.is_guarded.get()
            && !self.was_on_screen_for(ARM_AFTER)
            && (event.keyval() == key::Escape || is_enter(event) || is_space(event) && !is_in_entry);
        if is_unseen {
            self.is_held.set(true);
            return Propagation::Stop;
        }
        if event.keyval() == key::Escape {
            self.dismiss();
            return Propagation::Stop;
        }
        if is_enter(event) && is_in_entry {
            // Someone who was typing elsewhere must not send anything by it.
            self.window.child_focus(gtk::DirectionType::TabForward);
            return Propagation::Stop;
        }
        if self.is_held.get() && (is_enter(event) || is_space(event) && !is_in_entry) {
            return Propagation::Stop;
        }
        let is_on_button =
            focus.as_ref().is_some_and(|focus| focus.is::<gtk::Button>() && !focus.is::<gtk::ToggleButton>());
        let is_typing = self.typed.get().is_some_and(|typed| typed.elapsed() < ARM_AFTER);
        if is_letter(event) && !is_text(focus.as_ref()) {
            self.typed.set(Some(Instant::now()));
        }
        let is_early = !self.arming.has_passed() || is_typing;
        if is_early && (is_enter(event) || is_space(event) && is_on_button) {
            if is_typing {
                self.typed.set(Some(Instant::now()));
            }
            self.is_held.set(true);
            return Propagation::Stop;
        }
        if self.is_approve(focus.as_ref()) {
            if is_enter(event) {
                return Propagation::Stop;
            }
            self.space.set(is_space(event).then(|| press::of_event(event)));
        }
        let is_page = matches!(event.keyval(), key::Page_Up | key::Page_Down);
        if is_page && !focus.is_some_and(|focus| focus.is::<gtk::TextView>()) {
            let pages = if event.keyval() == key::Page_Up { -0.9 } else { 0.9 };
            let position = self.scroller.vadjustment();
            position.set_value(position.value() + pages * position.page_size());
            return Propagation::Stop;
        }
        Propagation::Proceed
    }

    fn is_approve(&self, widget: Option<&gtk::Widget>) -> bool {
        let shown = self.shown.borrow();
        let approve = shown.as_ref().and_then(|shown| shown.approve.as_ref());
        approve.is_some_and(|approve| Some(approve.upcast_ref()) == widget)
    }
}

/// Where letters are typed.
fn is_text(widget: Option<&gtk::Widget>) -> bool {
    widget.is_some_and(|widget| widget.is::<gtk::Entry>() || widget.is::<gtk::TextView>())
}

/// A key that writes something. A blank presses buttons.
fn is_letter(event: &gdk::EventKey) -> bool {
    event.keyval().to_unicode().is_some_and(|letter| !letter.is_control() && letter != ' ')
}

pub(super) fn is_enter(event: &gdk::EventKey) -> bool {
    use gdk::keys::constants as key;

    matches!(event.keyval(), key::Return | key::KP_Enter | key::ISO_Enter)
}

pub(super) fn is_space(event: &gdk::EventKey) -> bool {
    use gdk::keys::constants as key;

    matches!(event.keyval(), key::space | key::KP_Space)
}
