//! What a person allowed for more than one time, so that nobody is asked again.
//!
//! | asked for | nobody is asked where a person allowed |
//! |---|---|
//! | a contained command | contained commands in its folder, or one of the rows below |
//! | a contained command with needs | each of the needs: for the task, or in the folder for 30 days |
//! | a plain command | a rule for each of its programs, with all needs of the command |
//! | reading a file outside the workspace | reading below one of its folders, for the session |
//! | anything else | nothing: a person is asked each time |
//!
//! A permission is for a [`Folder`] and what lies below it: another folder under the same name has none of
//! it. Runs that nobody watches use permissions for contained commands alone. While a person wants to be asked
//! about everything, no permission is used.

mod allowing;
mod change;
mod offer;
mod sentence;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_protocol::UnixMillis;
use tidegate_protocol::confinement::Need;
pub use tidegate_protocol::payload::permissions::{PermissionName, PermissionOffer};

pub(crate) use self::allowing::allowing;
pub use self::change::{PermissionError, Permitted};
use crate::folder::Folder;
use crate::rules::{PlainCommand, ProgramFile, ResolvedCommand, RulePrefix, WhyNot};

/// How long needs are allowed in a folder.
pub const NEEDS_LIFETIME: Duration = Duration::from_hours(30 * 24);
/// How many permissions are stored at most.
pub const MAX_STORED: usize = 500;
/// How many are kept in memory at most: the oldest give way.
pub const MAX_IN_MEMORY: usize = 200;
/// How far a clock may step back without being called set.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// Whether a person watches a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Attendance {
    /// A message of a person or a client began it.
    #[default]
    Attended,
    /// Nobody wrote: results woke its session, or a schedule or a hook began it.
    Unattended,
}

/// What a request of a run has to do with: it never comes from the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// The id of the first run of its task.
    pub task: String,
    pub attendance: Attendance,
    /// Of a command its workspace, of a file the folder in which it lies, each with the folders above it, nearest
    /// first. Empty where no permission for a folder can be given.
    pub folders: Vec<Folder>,
    /// The folders elsewhere that its needs name, as they are now: those that it may write, and the repository.
    pub outside: Vec<Folder>,
    /// Of a contained command that is plain and sets no variables, what a rule is for.
    pub plain: Option<ResolvedCommand>,
    /// The same where not all its programs were found, so that no rule is for it.
    pub not_found: Option<PlainCommand>,
}

/// Something that a person allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    /// A version 4 UUID.
    pub id: String,
    pub folder: Folder,
    #[serde(flatten)]
    pub kind: PermissionKind,
    pub granted_at: UnixMillis,
    #[serde(default)]
    pub last_used_at: Option<UnixMillis>,
    /// The name of the client that gave it, with whose access it ends; `None` where the person did. A client gives
    /// nothing that is stored.
    #[serde(skip)]
    pub given_by: Option<String>,
}

/// What is allowed in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum PermissionKind {
    /// Contained commands, with nothing beyond the sandbox.
    Contained,
    /// Contained commands with these needs, for [`NEEDS_LIFETIME`].
    Needs(GrantedNeeds),
    /// The same for one task. Never stored.
    Task {
        /// The id of the task's first run.
        task: String,
        #[serde(flatten)]
        granted: GrantedNeeds,
    },
    /// Contained commands that begin with these words and run this program, with these needs.
    Rule {
        prefix: RulePrefix,
        program: ProgramFile,
        #[serde(flatten)]
        granted: GrantedNeeds,
    },
    /// Reading files. Never stored.
    #[serde(rename_all = "camelCase")]
    Read { session_key: String },
}

/// Something that a request offers, in a sentence for the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    pub offer: PermissionOffer,
    /// What it allows, for how long.
    pub sentence: String,
}

/// Needs of commands that a person saw and allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedNeeds {
    pub needs: BTreeSet<Need>,
    /// The repository outside the workspace that was shown with `git`.
    pub repository: Option<String>,
    /// The folders that needs name, and the repository, as they were then.
    #[serde(default)]
    pub outside: Vec<Folder>,
}

/// Why a person is asked although something is allowed. A sentence for the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyAsked {
    #[error("You chose to be asked about everything.")]
    Everything,
    #[error("You allowed commands in {folder}, but that is another folder now: it was moved or replaced.")]
    Replaced { folder: String },
    #[error("Your permission for {needs} in this folder ended after 30 days.")]
    Expired { needs: String },
    /// It holds for a need's folder no more.
    #[error("You allowed the use of {folder}, but that is another folder now: it was moved or replaced.")]
    ReplacedOutside { folder: String },
    #[error("No message began this run, so it uses no permission beyond contained commands.")]
    Unattended,
    #[error("The repository is another one than you allowed.")]
    Repository,
    /// A rule would allow it with the program that it was made for.
    #[error("You made a rule for {program}, but it is gone, or lies where rules do not look.")]
    ProgramGone { program: String },
    /// A rule that nearly allows it.
    #[error("No rule covers this: {0}.")]
    Rule(#[from] WhyNot),
}

impl PermissionKind {
    /// Which kind it is, without what belongs to it.
    #[must_use]
    pub fn name(&self) -> PermissionName {
        match self {
            Self::Contained => PermissionName::Contained,
            Self::Needs(_) => PermissionName::Needs,
            Self::Task { .. } => PermissionName::Task,
            Self::Rule { .. } => PermissionName::Rule,
            Self::Read { .. } => PermissionName::Read,
        }
    }

    /// Whether it allows the same as another, for folders of the same names.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Needs(one), Self::Needs(other)) => one.is_like(other),
            (Self::Task { task: a, granted: one }, Self::Task { task: b, granted: other }) => {
                a == b && one.is_like(other)
            }
            (
                Self::Rule { prefix: a, program: runs, granted: one },
                Self::Rule { prefix: b, program: other_runs, granted: other },
            ) => a == b && runs == other_runs && one.is_like(other),
            _ => self == other,
        }
    }
}

impl GrantedNeeds {
    fn is_like(&self, other: &Self) -> bool {
        self.needs == other.needs && self.repository == other.repository
    }
}

impl Permission {
    /// Whether it outlives the process.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        !matches!(self.kind, PermissionKind::Task { .. } | PermissionKind::Read { .. })
    }

    /// The folders in which commands change files by it: its own, and those elsewhere.
    pub fn written(&self) -> impl Iterator<Item = &Folder> {
        let outside: &[Folder] = match &self.kind {
            PermissionKind::Needs(granted)
            | PermissionKind::Task { granted, .. }
            | PermissionKind::Rule { granted, .. } => &granted.outside,
            PermissionKind::Contained => &[],
            PermissionKind::Read { .. } => return [].iter().chain(None),
        };
        outside.iter().chain(Some(&self.folder))
    }

    /// When it ends, unless it is revoked before.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixMillis> {
        matches!(self.kind, PermissionKind::Needs(_)).then(|| self.granted_at.plus(NEEDS_LIFETIME))
    }

    /// Whether its time is up. A clock that was set back before it was granted ends it, too: it lasts no longer
    /// for that.
    #[must_use]
    pub fn has_expired(&self, now: UnixMillis) -> bool {
        self.expires_at().is_some_and(|end| now >= end || self.granted_at.since(now) > CLOCK_TOLERANCE)
    }

    /// Whether it allows the same as another, in a folder of the same name.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.kind.is_like(&other.kind) && self.folder.path == other.folder.path
    }

    /// Whether it is for the folder of a request, or one above that.
    fn is_for(&self, context: &RequestContext) -> bool {
        context.folders.contains(&self.folder)
    }
}
