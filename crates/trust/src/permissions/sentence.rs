//! Permissions in sentences for the person.

use std::collections::BTreeSet;
use std::path::Path;

use tidegate_protocol::confinement::Need;
use tidegate_protocol::text;

use super::{GrantedNeeds, Permission, PermissionKind};

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
            PermissionKind::Rule { prefix, program, granted } => {
                let needs = if granted.needs.is_empty() {
                    String::new()
                } else {
                    format!(", also with {}", granted.words())
                };
                format!(
                    "Agents run contained commands that begin with \"{}\" ({}) in {folder} without asking{needs}, until \
                     you revoke this.",
                    text::one_line(&prefix.words().join(" "), MAX_PREFIX),
                    path(&program.file)
                )
            }
            PermissionKind::Read { .. } => {
                format!("One session reads files below {folder} without asking, until Tidegate quits.")
            }
        }
    }
}

impl Permission {
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

impl GrantedNeeds {
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
