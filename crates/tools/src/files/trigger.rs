//! Trigger files in the workspace: text in them runs as the person later, so a person is asked before
//! one is written.

use std::path::{Path, PathBuf};

use cap_std::fs::Metadata;
use tidegate_agent::approval::FilePlan;
use tidegate_protocol::text::one_line;
use tidegate_trust::approval::FileAccess;

use super::FileToolError;
use super::outside::NotAsShown;
use crate::identity::Identity;
use crate::protected::without_links;
use crate::workspace::{Place, SHOWN, Workspace};

/// A trigger file, as it was when a person was asked.
pub(super) struct TriggerFile {
    /// What the person is asked.
    pub(super) plan: FilePlan,
    file: Option<Identity>,
}

impl TriggerFile {
    /// Looks for the file that `text` names in a workspace.
    pub(super) fn find(workspace: &Path, text: &str, access: FileAccess) -> Self {
        let path = without_links(&workspace.join(text));
        let file = std::fs::symlink_metadata(&path).ok();
        let file = file.map(|metadata| Identity::of(&Metadata::from_just_metadata(metadata)));
        Self { plan: FilePlan { path, exists: file.is_some(), trigger: true, access }, file }
    }

    /// Lets `place` be used only where it is what was shown.
    pub(super) fn expect_at(&self, place: &mut Place) -> Result<(), FileToolError> {
        let now = place.directory.symlink_metadata(&place.name).ok().as_ref().map(Identity::of);
        let is_same =
            now == self.file && full_path(place).as_deref().is_none_or(|path| path == self.plan.path);
        if !is_same {
            let path = one_line(&self.plan.path.to_string_lossy(), SHOWN);
            return Err(NotAsShown::Changed { path }.into());
        }
        place.expected = self.file;
        Ok(())
    }
}

/// Refuses a path in the workspace that is a trigger file, or that cannot be looked at.
pub(super) fn check(workspace: &Workspace, path: &Path) -> Result<(), FileToolError> {
    // What leads out of the workspace is somebody else's question.
    let Ok(relative) = path.strip_prefix(workspace.path()) else { return Ok(()) };
    match tidegate_triggers::trigger_at(workspace.root(), relative) {
        Ok(None) => Ok(()),
        // A part of the path that is not there or no directory is explained where it is opened.
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(()),
        Ok(Some(_)) | Err(_) => {
            Err(FileToolError::Trigger { path: one_line(&relative.to_string_lossy(), SHOWN) })
        }
    }
}

/// Where a place really lies; as it was named, where the system does not tell.
pub(super) fn path_of(workspace: &Workspace, place: &Place) -> PathBuf {
    full_path(place).unwrap_or_else(|| workspace.path().join(&place.name))
}

#[cfg(target_os = "linux")]
fn full_path(place: &Place) -> Option<PathBuf> {
    use std::os::fd::AsRawFd as _;
    let link = format!("/proc/self/fd/{}", place.directory.as_raw_fd());
    Some(std::fs::read_link(link).ok()?.join(&place.name))
}

#[cfg(not(target_os = "linux"))]
fn full_path(_place: &Place) -> Option<PathBuf> {
    None
}
