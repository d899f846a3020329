//! What pressed a button, by the toolkit's event.

use gtk::gdk;
use gtk::prelude::*;
use tidegate_desktop_core::press::{Press, PressEvent};

/// What an event says of its source. On X11 the device is the one of XInput 2 that the event began at:
/// a mouse, or the device that XTEST plays.
pub(super) fn of_event(event: &gdk::Event) -> Press {
    let device = event.source_device().and_then(|device| device.name());
    Press::of(Some(PressEvent { is_sent: event.is_send_event(), device: device.as_deref() }))
}

/// The same of the event that is handled now; `None` when there is none.
pub(super) fn now() -> Option<Press> {
    gtk::current_event().as_ref().map(of_event)
}
