//! What was found and done, as values that can be stored and shown.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tidegate_protocol::text::one_line;

use crate::list::Trigger;

/// Characters of a reason.
const REASON: usize = 400;
/// Characters of a path where it is shown.
const SHOWN: usize = 200;

/// A path relative to the workspace. It may have any bytes that a name can have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Place(PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Text(String),
    Bytes(Vec<u8>),
}

impl Place {
    /// A place in the workspace.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path from the workspace's top.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.0.to_string_lossy(), SHOWN))
    }
}

impl From<Stored> for Place {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Text(text) => Self(text.into()),
            #[cfg(unix)]
            Stored::Bytes(bytes) => {
                use std::os::unix::ffi::OsStringExt as _;
                Self(std::ffi::OsString::from_vec(bytes).into())
            }
            #[cfg(not(unix))]
            Stored::Bytes(bytes) => Self(String::from_utf8_lossy(&bytes).into_owned().into()),
        }
    }
}

impl From<Place> for Stored {
    fn from(place: Place) -> Self {
        match place.0.into_os_string().into_string() {
            Ok(text) => Self::Text(text),
            Err(name) => Self::Bytes(name.into_encoded_bytes()),
        }
    }
}

/// Something that a command made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub place: Place,
    /// What it is.
    pub trigger: Trigger,
    /// What was done.
    pub action: Action,
    /// Why: one line, cleaned.
    pub reason: String,
    /// What was moved out of the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<Aside>,
}

impl Finding {
    /// A finding; `reason` is cleaned and cut.
    pub(crate) fn new(path: &Path, trigger: Trigger, action: Action, reason: &str) -> Self {
        Self { place: Place::new(path), trigger, action, reason: one_line(reason, REASON), aside: None }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Named => write!(f, "{}", self.reason),
            Action::SetAside => write!(f, "{}: set aside", self.reason),
            Action::PlainPartKept => write!(f, "{}: set aside, the other settings stay", self.reason),
            Action::Restored => write!(f, "{}: restored to what it was", self.reason),
            Action::PutBack => write!(f, "{}: put back", self.reason),
            Action::Failed { problem } => write!(f, "{}: not set aside, {problem}", self.reason),
        }
    }
}

/// What was done about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Action {
    /// It stays; a person is shown it.
    Named,
    /// It was moved out of the workspace.
    SetAside,
    /// It was moved out of the workspace, and its plain settings were left in its place.
    PlainPartKept,
    /// What was there before is there again.
    Restored,
    /// It was removed or renamed, and is where it was.
    PutBack,
    /// Nothing could be done.
    Failed {
        /// Why: one line, cleaned.
        problem: String,
    },
}

/// What was moved out of the workspace, with all that it takes to put it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Aside {
    /// Its name in the folder for what is set aside.
    pub stored: String,
    /// Where it was.
    pub place: Place,
    /// What it is.
    pub kind: AsideKind,
    /// The SHA-256 of what was left in its place, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

/// What was moved out of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AsideKind {
    /// A regular file.
    File {
        /// Size in bytes.
        size: u64,
        /// The permission bits.
        mode: u32,
        /// The SHA-256 of its content, in hexadecimal digits. Only this content is put back.
        sha256: String,
    },
    /// A symbolic link.
    Link {
        /// Where it leads to.
        target: Place,
    },
    /// A folder. It is not put back: a person looks into it where it lies.
    Folder,
    /// A socket or a pipe. It is not put back.
    Other,
}
