//! What was set aside, and a record of each file beside it, so that a person can look at it, have it put
//! back or discard it, also after a restart.
//!
//! A record is written whole or not at all: under another name first, and then renamed.

mod limits;
mod stored;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, unlinkat};
use serde::{Deserialize, Serialize};
use tidegate_protocol::UnixMillis;
use tidegate_protocol::text::one_line;

use crate::finding::{Action, Aside, Finding, Place};
use crate::handle::open_without_links;
use crate::list::Trigger;
use crate::respond::{KeepError, keep, sha256};

pub use limits::{MAX_AGE, MAX_BYTES, MAX_RECORDS};
pub use stored::{Content, MAX_SHOWN};

/// Characters of what is kept of a command.
const COMMAND: usize = 400;
/// Commands that are kept of one file, when several ran at once.
const COMMANDS: usize = 4;

/// A command that ran when something was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandOrigin {
    /// Its session's key.
    pub session: String,
    pub run: String,
    /// The id of its tool call.
    pub call: String,
    pub command: String,
}

/// A file that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Names it: 16 hexadecimal digits.
    pub id: String,
    /// When it was set aside.
    pub at: UnixMillis,
    /// The workspace's path, absolute.
    pub workspace: Place,
    /// The commands that ran there at that moment: one of them made it.
    pub commands: Vec<CommandOrigin>,
    /// What kind of trigger file it is.
    pub trigger: Trigger,
    /// What was done.
    pub action: Action,
    /// Why: one line, cleaned.
    pub reason: String,
    /// Where it was and where it lies now.
    pub aside: Aside,
}

impl Record {
    /// Names exactly what a person decides about: the place, the content, and what stands in its place.
    #[must_use]
    pub fn digest(&self) -> String {
        // Of what it is made cannot fail to be written; a digest of nothing would fit nothing.
        let whole = serde_json::to_vec(&(&self.id, &self.workspace, &self.aside)).unwrap_or_default();
        sha256(&whole)
    }
}

/// A file that was set aside, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// What is known of it.
    pub record: Record,
    /// What is in it.
    pub content: Content,
}

/// Why nothing was decided about a file.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is no such file.
    #[error("no file is set aside under this id; it was kept or discarded already")]
    Unknown,
    /// It is not what was shown.
    #[error("it is not what was shown any more; look at it again")]
    NotAsShown,
    /// The workspace is gone, or is reached through a link now.
    #[error("{0} is gone, or a link leads there now, so nothing is put back")]
    NoWorkspace(Place),
    /// It is too large to be read whole.
    #[error("it is larger than {} MiB, the most that is kept, and is discarded", MAX_BYTES >> 20)]
    TooLarge,
    /// It cannot be put back.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The system refused.
    #[error("what was set aside cannot be reached: {0}")]
    System(#[from] io::Error),
}

/// All records of one folder.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    folder: OwnedFd,
    /// All records, by their ids.
    all: BTreeMap<String, Record>,
}

impl Records {
    /// Reads the records of a folder of ours, its absolute path. A record whose file is gone is removed.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(path: &Path, now: UnixMillis) -> io::Result<Self> {
        let folder = std::fs::File::open(path)?.into();
        let all = stored::read_all(&folder, now)?;
        let all = all.into_iter().map(|record| (record.id.clone(), record)).collect();
        let mut records = Self { path: path.to_owned(), folder, all };
        records.enforce_limits(now);
        Ok(records)
    }

    /// All, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Record> {
        let mut all: Vec<Record> = self.all.values().cloned().collect();
        all.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        all
    }

    /// Takes note of what was moved out of a workspace. `None` when nothing was, or it is known already.
    /// It is known also where the record could not be saved.
    pub fn add(
        &mut self,
        finding: &Finding,
        workspace: &Path,
        commands: Vec<CommandOrigin>,
        now: UnixMillis,
    ) -> Option<(Record, io::Result<()>)> {
        let aside = finding.aside.clone()?;
        let id = id_of(&aside.stored);
        if self.all.contains_key(&id) {
            return None;
        }
        let mut commands = commands;
        commands.truncate(COMMANDS);
        commands.iter_mut().for_each(|origin| origin.command = one_line(&origin.command, COMMAND));
        let record = Record {
            id: id.clone(),
            at: now,
            workspace: Place::new(workspace),
            commands,
            trigger: finding.trigger,
            action: finding.action.clone(),
            reason: finding.reason.clone(),
            aside,
        };
        let saved = stored::write(&self.folder, &record);
        self.all.insert(id, record.clone());
        Some((record, saved))
    }

    /// The workspace that a file was set aside from.
    #[must_use]
    pub fn workspace(&self, id: &str) -> Option<Place> {
        self.all.get(id).map(|record| record.workspace.clone())
    }

    /// What is set aside under an id, as it is now.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn show(&self, id: &str) -> Result<Shown, RecordError> {
        let mut record = self.all.get(id).ok_or(RecordError::Unknown)?.clone();
        let (kind, content) = stored::look(&self.folder, OsStr::new(&record.aside.stored))?;
        record.aside.kind = kind;
        Ok(Shown { record, content })
    }

    /// Puts a file back where it was, if it is what was shown, by its digest. Only after a person decided
    /// so, and while no command uses the workspace.
    ///
    /// # Errors
    /// See [`RecordError`]. Nothing has changed then.
    pub fn keep(&mut self, id: &str, digest: &str) -> Result<Record, RecordError> {
        let record = self.show(id)?.record;
        if record.digest() != digest {
            return Err(RecordError::NotAsShown);
        }
        let workspace = open_without_links(record.workspace.path())
            .map_err(|_| RecordError::NoWorkspace(record.workspace.clone()))?;
        keep(workspace.as_fd(), self.folder.as_fd(), &record.aside)?;
        self.forget(id);
        Ok(record)
    }

    /// Removes a file and its record for good.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn discard(&mut self, id: &str) -> Result<Record, RecordError> {
        let record = self.all.get(id).ok_or(RecordError::Unknown)?.clone();
        stored::remove(&self.path, &self.folder, OsStr::new(&record.aside.stored))?;
        self.forget(id);
        Ok(record)
    }

    fn forget(&mut self, id: &str) {
        if let Some(record) = self.all.remove(id) {
            // A record that stays has no file, and goes when the folder is opened.
            let _ = unlinkat(&self.folder, stored::record_name(&record.aside.stored), AtFlags::empty());
        }
    }
}

/// A short name that says nothing about when and where.
fn id_of(stored: &str) -> String {
    sha256(stored.as_bytes()).chars().take(16).collect()
}
