//! What is measured, and how thoroughly.

use std::path::PathBuf;

/// See the module's text.
pub(crate) struct Setting {
    /// The program that is measured.
    pub(crate) tidegate: PathBuf,
    /// The bare server.
    pub(crate) bare_server: PathBuf,
    /// Whether the slow figures are measured for as long as the budgets say.
    pub(crate) full: bool,
}
