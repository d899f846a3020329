//! Whether a window or a dialog of ours has the keyboard. While one has it, nobody needs a notification.

use std::cell::{Cell, RefCell};

use gtk::glib;
use gtk::prelude::*;
use tidegate_desktop_core::shell::Input;

use crate::inputs::Inputs;

thread_local! {
    static REPORTED: Reported = const { Reported { inputs: RefCell::new(None), has_focus: Cell::new(false) } };
}

/// What was reported of it. On the main thread, as the windows are.
struct Reported {
    inputs: RefCell<Option<Inputs>>,
    has_focus: Cell<bool>,
}

/// Tells changes from now on. Once, on the main thread.
pub(crate) fn watch(inputs: &Inputs) {
    REPORTED.with(|reported| reported.inputs.replace(Some(inputs.clone())));
}

/// Looks at a window from now on.
pub(crate) fn follow(window: &gtk::Window) {
    // From one window of ours to another, the keyboard is nowhere for a moment.
    window.connect_is_active_notify(|_| {
        glib::idle_add_local_once(tell);
    });
    window.connect_unmap(|_| {
        glib::idle_add_local_once(tell);
    });
}

fn tell() {
    let windows = gtk::Window::list_toplevels();
    let is_active = |widget: gtk::Widget| {
        widget.downcast::<gtk::Window>().is_ok_and(|window| window.is_mapped() && window.is_active())
    };
    let has_focus = windows.into_iter().any(is_active);
    REPORTED.with(|reported| {
        if reported.has_focus.replace(has_focus) != has_focus
            && let Some(inputs) = &*reported.inputs.borrow()
        {
            inputs.tell(Input::WindowFocus { has_focus });
        }
    });
}
