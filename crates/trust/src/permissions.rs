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

mod change;
mod offer;
mod sentence;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_protocol::UnixMillis;
use tidegate_protocol::confinement::{CommandClass, Confinement, Need};
pub use tidegate_protocol::payload::permissions::{PermissionName, PermissionOffer};

pub use self::change::{PermissionError, Permitted};
use crate::approval::{FileAccess, Operation};
use crate::folder::Folder;
use crate::rules::{
    self, PlainCommand, PlainRequest, ProgramFile, ResolvedCommand, Rule, RuleId, RulePrefix, WhyNot,
};

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
    /// Of a contained command that is plain and sets no variables, what a rule is for.
    pub plain: Option<ResolvedCommand>,
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
    #[error("No message began this run, so it uses no permission beyond contained commands.")]
    Unattended,
    #[error("The repository is another one than you allowed.")]
    Repository,
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
}

impl Permission {
    /// Whether it outlives the process.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        !matches!(self.kind, PermissionKind::Task { .. } | PermissionKind::Read { .. })
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
        self.kind == other.kind && self.folder.path == other.folder.path
    }

    /// Whether it is for the folder of a request, or one above that.
    fn is_for(&self, context: &RequestContext) -> bool {
        context.folders.contains(&self.folder)
    }

    /// It as a rule in a folder that it is for. A repository elsewhere has to be the one that was shown, and needs
    /// are for the very command that was shown: options behind its first words can make a program run others.
    fn rule(&self, folder: &Folder, confinement: &Confinement, command: &PlainCommand) -> Option<Rule> {
        let PermissionKind::Rule { prefix, program, granted } = &self.kind else { return None };
        let is_other = granted.needs.contains(&Need::Git) && granted.repository != confinement.repository;
        let mut matching = command.segments().iter().filter(|segment| prefix.matches(segment));
        let is_exact = matching.all(|segment| segment.words() == prefix.words());
        let needs = granted.needs.iter().filter(|need| is_exact && (**need != Need::Git || !is_other));
        Some(Rule {
            id: RuleId(self.id.clone()),
            folder: folder.clone(),
            prefix: prefix.clone(),
            program: program.clone(),
            needs: needs.cloned().collect(),
            created_at: self.granted_at,
        })
    }

    /// The needs that it allows a task's commands, where it allows commands.
    fn needs_for(&self, context: &RequestContext) -> Option<&GrantedNeeds> {
        match &self.kind {
            PermissionKind::Needs(granted) => Some(granted),
            PermissionKind::Task { task, granted } if *task == context.task => Some(granted),
            _ => None,
        }
    }
}

impl GrantedNeeds {
    /// Whether one need of a command is allowed.
    fn allow(&self, need: &Need, confinement: &Confinement) -> bool {
        self.needs.contains(need) && (*need != Need::Git || self.repository == confinement.repository)
    }
}

/// Which of the permissions that are in effect allow a request, together. `Err` says why a person is asked,
/// where that is worth a sentence.
pub(crate) fn allowing<'a>(
    permissions: &'a [Permission],
    operation: &Operation,
    session_key: &str,
    context: &RequestContext,
    now: UnixMillis,
) -> Result<Vec<&'a Permission>, Option<WhyAsked>> {
    let valid = || permissions.iter().filter(|known| !known.has_expired(now) && known.is_for(context));
    match operation {
        Operation::Exec { confinement: Some(confinement), .. }
            if confinement.class == CommandClass::Contained =>
        {
            let plain = valid().find(|known| known.kind == PermissionKind::Contained);
            if let Some(plain) = plain.filter(|_| confinement.needs.is_empty()) {
                return Ok(vec![plain]);
            }
            let granting: Vec<_> =
                valid().filter_map(|known| Some((known, known.needs_for(context)?))).collect();
            let used = with_needs(&granting, confinement).map_or_else(
                || match by_rules(valid(), confinement, context) {
                    Ok(used) => Ok(used),
                    Err(why) => Err(why_asked(permissions, confinement, context, now).or(why)),
                },
                Ok,
            )?;
            match context.attendance {
                Attendance::Attended => Ok(used),
                Attendance::Unattended => Err(Some(WhyAsked::Unattended)),
            }
        }
        Operation::File { access: FileAccess::Read, trigger: false, .. } => {
            let reads = |known: &&Permission| matches!(&known.kind, PermissionKind::Read { session_key: session } if session == session_key);
            match valid().find(reads) {
                Some(_) if context.attendance == Attendance::Unattended => Err(Some(WhyAsked::Unattended)),
                Some(known) => Ok(vec![known]),
                None => Err(None),
            }
        }
        Operation::Exec { .. } | Operation::File { .. } => Err(None),
    }
}

/// The permissions that allow a command's needs, each need by one of them. A command without needs may do less
/// than any of them allows.
fn with_needs<'a>(
    granting: &[(&'a Permission, &GrantedNeeds)],
    confinement: &Confinement,
) -> Option<Vec<&'a Permission>> {
    if confinement.needs.is_empty() {
        return granting.first().map(|(known, _)| vec![*known]);
    }
    let mut used: Vec<&Permission> = Vec::new();
    for need in &confinement.needs {
        let (known, _) = granting.iter().find(|(_, granted)| granted.allow(need, confinement))?;
        if !used.contains(known) {
            used.push(known);
        }
    }
    Some(used)
}

/// The rules that allow a plain command. `Err` names a rule that nearly does.
fn by_rules<'a>(
    valid: impl Iterator<Item = &'a Permission>,
    confinement: &Confinement,
    context: &RequestContext,
) -> Result<Vec<&'a Permission>, Option<WhyAsked>> {
    let (Some(command), Some(folder)) = (&context.plain, context.folders.first()) else { return Err(None) };
    let rules: Vec<(&Permission, Rule)> = valid
        .filter_map(|known| Some((known, known.rule(folder, confinement, command.command())?)))
        .collect();
    let needs = confinement.needs.iter().cloned().collect();
    let request = PlainRequest { command, folder, needs: &needs, sets_variables: false };
    let covered = rules::covers(&rules.iter().map(|(_, rule)| rule).collect::<Vec<_>>(), &request);
    match covered {
        Ok(covered) => {
            let is_used = |known: &Permission| covered.rules.iter().any(|id| id.0 == known.id);
            Ok(rules.iter().map(|(known, _)| *known).filter(|known| is_used(known)).collect())
        }
        Err(WhyNot::NoRule { .. } | WhyNot::Variables | WhyNot::Unconfined) => Err(None),
        Err(why) => Err(Some(why.into())),
    }
}

/// What of what a person allowed does not hold for this command.
fn why_asked(
    permissions: &[Permission],
    confinement: &Confinement,
    context: &RequestContext,
    now: UnixMillis,
) -> Option<WhyAsked> {
    let wants = |granted: &GrantedNeeds| confinement.needs.iter().any(|need| granted.needs.contains(need));
    let concerns = |known: &&Permission| match &known.kind {
        PermissionKind::Contained => confinement.needs.is_empty(),
        PermissionKind::Needs(granted) => confinement.needs.is_empty() || wants(granted),
        PermissionKind::Task { .. } | PermissionKind::Rule { .. } | PermissionKind::Read { .. } => false,
    };
    let concerned = || permissions.iter().filter(concerns);
    let replaced = concerned().find(|known| {
        !known.has_expired(now)
            && context
                .folders
                .iter()
                .any(|folder| folder.path == known.folder.path && *folder != known.folder)
    });
    if let Some(known) = replaced {
        return Some(WhyAsked::Replaced { folder: sentence::path(&known.folder.path) });
    }
    let here = || concerned().filter(|known| known.is_for(context));
    let expired = here().find_map(|known| match &known.kind {
        PermissionKind::Needs(granted) if known.has_expired(now) => Some(granted),
        _ => None,
    });
    if let Some(granted) = expired {
        return Some(WhyAsked::Expired { needs: sentence::needs(&granted.needs) });
    }
    let is_other = |known: &Permission| {
        let granted = known.needs_for(context);
        granted.is_some_and(|granted| {
            granted.needs.contains(&Need::Git) && granted.repository != confinement.repository
        })
    };
    let asks_git = confinement.needs.contains(&Need::Git);
    (asks_git && here().any(is_other)).then_some(WhyAsked::Repository)
}
