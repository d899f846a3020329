//! What is measured, and how thoroughly.

use std::path::PathBuf;

/// The programs of a measurement, and how thoroughly they are measured.
pub(crate) struct Setting {
    /// The program that is measured.
    pub(crate) tidegate: PathBuf,
    /// The bare server.
    pub(crate) bare_server: PathBuf,
    /// Whether the slow figures are measured for as long as the budgets say.
    pub(crate) full: bool,
}
