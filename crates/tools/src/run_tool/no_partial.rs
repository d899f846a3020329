//! Systems without Landlock and system call filters: nothing confines what a command may do.

use std::path::PathBuf;

use tidegate_sandbox::Enforcement;

/// Where a command should write only.
pub(super) struct Places<'a> {
    pub(super) writable: &'a [PathBuf],
    pub(super) protected: &'a [PathBuf],
    pub(super) hidden: &'a [PathBuf],
}

/// There is nothing that confines on this system.
pub(super) fn confine(_places: &Places<'_>) -> Result<Enforcement, String> {
    Ok(Enforcement::None)
}
