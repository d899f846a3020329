//! Host-neutral desktop logic, and the words that every surface uses for the same thing.

pub mod scope_words;
pub mod tray_menu;
