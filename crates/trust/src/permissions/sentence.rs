//! Permissions in sentences for the person.

use std::collections::BTreeSet;
use std::path::Path;

use tidegate_protocol::confinement::Need;
use tidegate_protocol::text;

use super::{GrantedNeeds, Permission, PermissionKind};
use crate::rules::{ProgramFile, RulePrefix};

/// Bytes of a folder's name in a sentence.
const MAX_PATH: usize = 300;
/// Bytes of the words of a rule in a sentence.
const MAX_PREFIX: usize = 300;

impl Permission {
    /// What it allows, for how long.
    #[must_use]
    pub fn sentence(&self) -> String {
        let folder = path(&self.folder.path);
        match &self.kind {
            PermissionKind::Contained => {
                format!("Agents run contained commands in {folder} without asking, until you revoke this.")
            }
            PermissionKind::Needs(granted) => format!(
                "Agents run contained commands in {folder} without asking, also with {}, for 30 days.",
                granted.words()
            ),
            PermissionKind::Task { granted, .. } => format!(
                "One task runs contained commands in {folder} without asking, also with {}, until it ends.",
                granted.words()
            ),
            PermissionKind::Rule { prefix, program, granted } => format!(
                "Agents run contained commands that begin with {} in {folder} without asking{}, until you revoke this.",
                beginning(prefix, program),
                granted.words_after()
            ),
            PermissionKind::Read { .. } => {
                format!("One session reads files below {folder} without asking, until Tidegate quits.")
            }
        }
    }
}

impl Permission {
    /// What choosing it does with the request that offers it, and what it allows from then on.
    pub(super) fn offer_sentence(&self) -> String {
        let folder = path(&self.folder.path);
        match &self.kind {
            PermissionKind::Contained => format!(
                "Run this, and let agents run contained commands in {folder} without asking, until you revoke that."
            ),
            PermissionKind::Needs(granted) => format!(
                "Run this, and let agents run contained commands in {folder} without asking, also with {}, for 30 days.",
                granted.words()
            ),
            PermissionKind::Task { granted, .. } => format!(
                "Run this, and let this task run contained commands in {folder} without asking, also with {}, until it \
                 ends.",
                granted.words()
            ),
            PermissionKind::Rule { prefix, program, granted } => format!(
                "Run this, and let agents run contained commands that begin with {} in {folder} without asking{}, until \
                 you revoke that.",
                beginning(prefix, program),
                granted.words_after()
            ),
            PermissionKind::Read { .. } => format!(
                "Read this, and let this session read files below {folder} without asking, until Tidegate quits."
            ),
        }
    }

    /// What is given, for logs, which more people read than may see the command: of a rule the program alone,
    /// because arguments hold passwords and tokens.
    pub(super) fn logged(&self) -> String {
        let folder = path(&self.folder.path);
        match &self.kind {
            PermissionKind::Contained => format!("kind=contained folder={folder}"),
            PermissionKind::Needs(granted) => format!("kind=needs folder={folder} needs={}", granted.words()),
            PermissionKind::Task { granted, .. } => {
                format!("kind=task folder={folder} needs={}", granted.words())
            }
            PermissionKind::Rule { program, granted, .. } => {
                let program = path(&program.file);
                format!("kind=rule folder={folder} program={program} needs={}", granted.words())
            }
            PermissionKind::Read { .. } => format!("kind=read folder={folder}"),
        }
    }
}

/// How commands of a rule begin, and what they run.
fn beginning(prefix: &RulePrefix, program: &ProgramFile) -> String {
    format!("\"{}\" ({})", text::one_line(&prefix.words().join(" "), MAX_PREFIX), path(&program.file))
}

impl GrantedNeeds {
    /// Behind a sentence, where there are any.
    fn words_after(&self) -> String {
        if self.needs.is_empty() { String::new() } else { format!(", also with {}", self.words()) }
    }

    fn words(&self) -> String {
        match &self.repository {
            None => needs(&self.needs),
            Some(repository) => format!("{} ({})", needs(&self.needs), path(Path::new(repository))),
        }
    }
}

/// Needs as a list: `git, network:example.org`.
pub(super) fn needs(needs: &BTreeSet<Need>) -> String {
    needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn path(path: &Path) -> String {
    text::one_line(&path.to_string_lossy(), MAX_PATH)
}
