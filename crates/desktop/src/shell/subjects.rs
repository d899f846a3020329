//! What dialogs that surfaces request are about. All texts in them are hostile.

use tidegate_protocol::SessionKey;

/// A folder for a session, as a person is asked about it. All its texts are hostile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceToChoose {
    pub session: SessionKey,
    pub label: Option<String>,
    pub folder: String,
    /// Whether it is the folder that sessions have when nobody chose one for them.
    pub is_default: bool,
    /// The folder of the session until then.
    pub before: String,
    /// How many of its files other folders hold as well; `None` where nobody could find out.
    pub shared_files: Option<u64>,
    /// Where they lie.
    pub shared_places: Vec<String>,
    /// The digest of exactly this choice.
    pub digest: String,
    /// Whether a client asks, and not a surface of the person.
    pub by_client: bool,
}

/// A folder with files that others hold as well, as a person is asked about it. All its texts are hostile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderToUnshare {
    pub folder: String,
    /// How many files.
    pub files: u64,
    /// Bytes of these files together.
    pub bytes: u64,
    /// Where they lie.
    pub places: Vec<String>,
}

/// A file that was set aside, as a person is asked about it. All its texts are hostile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToKeep {
    pub id: String,
    /// The digest of exactly this file at this place.
    pub digest: String,
    /// Where it was, below the workspace.
    pub path: String,
    pub workspace: String,
    /// What it would do.
    pub reason: String,
    /// What can happen when it is kept.
    pub effect: String,
    /// What is in it.
    pub content: FileContent,
}

/// What is in a file that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// Its text, or the start of it.
    Text {
        text: String,
        /// Whether it has more.
        is_cut: bool,
    },
    /// It is a link that leads there.
    Link(String),
    /// It is no text.
    Binary,
}
