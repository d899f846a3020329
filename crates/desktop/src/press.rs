//! What pressed a button of a dialog: a device of the person, or a program.
//!
//! Programs of the session can press buttons: X11's XTEST extension plays a mouse and a keyboard,
//! and a screen reader's interface presses without any. Both serve people (remote control, on-screen
//! keyboards, voice control), so they are refused only while a command of an agent could use them.

/// What pressed a button, as far as the display server tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// A mouse, a keyboard or a touch screen. On X11 a program can name one of these as the source of
    /// an XTEST event too, and nothing tells that apart.
    Device,
    /// A program made the event.
    Synthetic(Synthetic),
}

/// How a program pressed a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synthetic {
    /// With a device of X11's XTEST extension.
    TestDevice,
    /// With an event that it sent to the window itself (`XSendEvent`).
    SentEvent,
    /// Without an event, through the accessibility interface.
    NoEvent,
}

impl Synthetic {
    /// Its name in the audit log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TestDevice => "xtest",
            Self::SentEvent => "sent-event",
            Self::NoEvent => "accessibility",
        }
    }
}

/// An event of the toolkit that pressed a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PressEvent<'a> {
    /// Whether another program sent it to the window.
    pub is_sent: bool,
    /// The name of the physical device that it comes from, where the display server names one.
    pub device: Option<&'a str>,
}

impl Press {
    /// Judges the event that pressed a button; `None` when there was none.
    #[must_use]
    pub fn of(event: Option<PressEvent<'_>>) -> Self {
        match event {
            None => Self::Synthetic(Synthetic::NoEvent),
            Some(event) if event.is_sent => Self::Synthetic(Synthetic::SentEvent),
            Some(event) if event.device.is_some_and(is_test_device) => Self::Synthetic(Synthetic::TestDevice),
            Some(_) => Self::Device,
        }
    }
}

/// X.Org names these devices after the pair of pointer and keyboard that they belong to: "Virtual core
/// XTEST pointer".
fn is_test_device(name: &str) -> bool {
    name.ends_with(" XTEST pointer") || name.ends_with(" XTEST keyboard")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(device: Option<&str>) -> Press {
        Press::of(Some(PressEvent { is_sent: false, device }))
    }

    #[test]
    fn a_device_of_the_person_is_no_program() {
        for device in ["Logitech USB Mouse", "AT Translated Set 2 keyboard", "xwayland-pointer:11", "XTEST"] {
            assert_eq!(from(Some(device)), Press::Device, "{device}");
        }
        assert_eq!(from(None), Press::Device, "Wayland names no device");
    }

    #[test]
    fn a_test_device_is_a_program_whatever_pair_it_belongs_to() {
        for device in
            ["Virtual core XTEST pointer", "Virtual core XTEST keyboard", "second seat XTEST pointer"]
        {
            assert_eq!(from(Some(device)), Press::Synthetic(Synthetic::TestDevice), "{device}");
        }
    }

    #[test]
    fn a_sent_event_is_a_programs_whatever_device_it_names() {
        for device in [None, Some("Logitech USB Mouse"), Some("Virtual core XTEST pointer")] {
            let press = Press::of(Some(PressEvent { is_sent: true, device }));
            assert_eq!(press, Press::Synthetic(Synthetic::SentEvent), "{device:?}");
        }
    }

    #[test]
    fn a_press_without_an_event_is_a_programs() {
        assert_eq!(Press::of(None), Press::Synthetic(Synthetic::NoEvent));
    }
}
