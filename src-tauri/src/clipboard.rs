//! The clipboard.

/// Puts text into it. On the main thread.
#[cfg(target_os = "linux")]
pub(crate) fn copy(text: &str) {
    gtk::Clipboard::get(&gtk::gdk::SELECTION_CLIPBOARD).set_text(text);
}

/// Puts text into it: not on this system yet.
#[cfg(not(target_os = "linux"))]
pub(crate) fn copy(_text: &str) {
    tracing::warn!("Tidegate cannot use the clipboard on this system yet");
}
