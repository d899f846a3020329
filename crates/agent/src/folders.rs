//! The port to the folders that persons choose for sessions.

use futures_util::future::BoxFuture;
use tidegate_trust::Folder;
use tidegate_trust::workspace::LostWorkspace;

/// Looks at folders before runs work in them.
pub trait ChosenFolders: Send + Sync + 'static {
    /// Whether a folder is still the one that a person chose, and may still be used. Answers within
    /// seconds, whatever its disk does.
    ///
    /// # Errors
    /// What became of it, as a sentence for the person.
    fn check<'a>(&'a self, folder: &'a Folder) -> BoxFuture<'a, Result<(), LostWorkspace>>;
}
