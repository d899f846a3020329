//! Where a dialog stands, and how much room it has.

use gtk::gdk;
use gtk::prelude::*;
use tidegate_desktop_core::placement::{self, Area};

/// What the window manager draws around a window, in logical pixels.
pub(super) const FRAME: (i32, i32) = (16, 60);

/// The room on the smallest screen, in logical pixels: the window may come up on any of them.
pub(super) fn smallest_screen(otherwise: (i32, i32)) -> (i32, i32) {
    let Some(display) = gdk::Display::default() else { return otherwise };
    let areas = (0..display.n_monitors()).filter_map(|at| display.monitor(at)).map(|at| at.workarea());
    areas.fold((i32::MAX, i32::MAX), |least, area| (least.0.min(area.width()), least.1.min(area.height())))
}

/// Whether the keyboard is the compositor's to give: what comes up by itself may have it.
pub(super) fn is_wayland() -> bool {
    display_is("GdkWaylandDisplay")
}

/// Puts a dialog beside the window in which the person is, where the display server lets us place it. Else it stands
/// where the window manager puts it.
pub(super) fn put_beside_window(dialog: &gtk::Window) {
    let Some((window, work_area)) = person_is_at().filter(|_| display_is("GdkX11Display")) else { return };
    let (_, natural) = dialog.preferred_size();
    let size = (natural.width + FRAME.0, natural.height + FRAME.1);
    let (left, top) = placement::beside(size, window, work_area);
    dialog.set_position(gtk::WindowPosition::None);
    dialog.move_(left, top);
}

/// Moves a dialog that grew up, where it would leave the screen.
pub(super) fn keep_on_screen(dialog: &gtk::Window) {
    if !display_is("GdkX11Display") {
        return;
    }
    let monitor = dialog.window().and_then(|drawn| gdk::Display::default()?.monitor_at_window(&drawn));
    let Some(work_area) = monitor.map(|monitor| monitor.workarea()) else { return };
    let (left, top) = dialog.position();
    let height = dialog.preferred_size().1.height + FRAME.1;
    let lowest = (work_area.y() + work_area.height() - height).max(work_area.y());
    if top > lowest {
        dialog.move_(left, lowest);
    }
}

/// Our window on the screen, and what of its screen may be used.
fn person_is_at() -> Option<(Area, Area)> {
    let windows =
        gtk::Window::list_toplevels().into_iter().filter_map(|widget| widget.downcast::<gtk::Window>().ok());
    let is_ours = |window: &gtk::Window| {
        let is_plain = window.window_type() == gtk::WindowType::Toplevel && window.is_mapped();
        is_plain && !window.style_context().has_class("tidegate")
    };
    let mut windows: Vec<gtk::Window> = windows.filter(is_ours).collect();
    windows.sort_by_key(|window| !window.is_active());
    let drawn = windows.first()?.window()?;
    if drawn.state().contains(gdk::WindowState::ICONIFIED) {
        return None;
    }
    let monitor = gdk::Display::default()?.monitor_at_window(&drawn)?;
    Some((area(&drawn.frame_extents()), area(&monitor.workarea())))
}

fn area(of: &gdk::Rectangle) -> Area {
    Area { left: of.x(), top: of.y(), width: of.width(), height: of.height() }
}

fn display_is(name: &str) -> bool {
    gdk::Display::default().is_some_and(|display| display.type_().name() == name)
}
