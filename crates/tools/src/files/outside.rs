//! Files outside the workspace: found, shown to a person, and used only while they are what was shown.

use std::ffi::OsString;
use std::path::Path;

use cap_std::fs::Metadata;
use tidegate_agent::approval::FilePlan;
use tidegate_protocol::text::one_line;
use tidegate_trust::Folder;
use tidegate_trust::approval::FileAccess;

use crate::folders;
use crate::identity::Identity;
use crate::protected::{Protected, Refusal, without_links};
use crate::workspace::{PathError, Place, SHOWN, open_without_links};

/// Bytes of the texts of one call: what a dialog can show whole.
pub(super) const MAX_TEXT: usize = 32 * 1024;
/// Where the kernel shows itself, other processes and devices: nobody can tell from a name what a
/// file there gives away, Tidegate's own environment for one.
const KERNEL: &[&str] = &["/proc", "/sys", "/dev"];

/// A file outside the workspace, as it was when it was looked for.
pub(super) struct Outside {
    /// What a person is asked.
    pub(super) plan: FilePlan,
    /// The folder it lies in and those above; none where reading below it cannot be allowed.
    pub(super) folders: Vec<Folder>,
    directory: Option<Identity>,
    file: Option<Identity>,
    place: Option<Place>,
}

/// Why a file outside is not used though a person allowed it.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAsShown {
    #[error("{path} changed after it was shown, so the decision does not hold; ask again")]
    Changed { path: String },
    #[error("the directory of {path} does not exist or cannot be opened")]
    NoDirectory { path: String },
}

impl Outside {
    /// Looks for the file that `text` names, from the workspace on, through any symbolic links. What
    /// does not exist is no error: whether something is there is for the person to give away.
    pub(super) fn find(
        workspace: &Path,
        text: &str,
        access: FileAccess,
        protected: &Protected,
    ) -> Result<Self, PathError> {
        let path = without_links(&workspace.join(text));
        let shown = one_line(&path.to_string_lossy(), SHOWN);
        if path.starts_with(workspace) {
            return Err(PathError::Detour { path: shown });
        }
        if path.to_str().is_none() {
            let reason = "its name is not UTF-8, so that it could not be shown to a person".to_owned();
            return Err(PathError::Unusable { path: shown, reason });
        }
        if KERNEL.iter().any(|kernel| path.starts_with(kernel)) {
            return Err(PathError::Refused { path: shown, reason: Refusal::Kernel });
        }
        let (Some(above), Some(name)) = (path.parent(), path.file_name().map(OsString::from)) else {
            return Err(PathError::IsDirectory { path: shown });
        };
        check(&path, protected).map_err(|reason| PathError::Refused { path: shown.clone(), reason })?;
        let place =
            open_without_links(above).ok().map(|directory| Place { directory, name, expected: None, shown });
        let identity = |metadata: std::io::Result<Metadata>| metadata.ok().as_ref().map(Identity::of);
        let directory = place.as_ref().and_then(|place| identity(place.directory.dir_metadata()));
        let file = place.as_ref().and_then(|place| identity(place.directory.symlink_metadata(&place.name)));
        let folders = if protected.lies_in_or_around(above) { Vec::new() } else { folders::upwards(above) };
        Ok(Self {
            folders,
            plan: FilePlan { path, exists: file.is_some(), trigger: false, access },
            directory,
            file,
            place,
        })
    }

    /// The place to act on, when `self` is still what was `shown` to the person who allowed it.
    pub(super) fn if_still(self, shown: &Self) -> Result<Place, NotAsShown> {
        let path = one_line(&shown.plan.path.to_string_lossy(), SHOWN);
        let is_same = self.plan == shown.plan
            && self.folders == shown.folders
            && self.directory == shown.directory
            && self.file == shown.file;
        if !is_same {
            return Err(NotAsShown::Changed { path });
        }
        let place = self.place.ok_or(NotAsShown::NoDirectory { path })?;
        Ok(Place { expected: self.file, ..place })
    }
}

/// Refuses what is protected, by the last directory on the way that exists, and what would be
/// protected if the directories on the way existed.
fn check(path: &Path, protected: &Protected) -> Result<(), Refusal> {
    if protected.covers(path) {
        return Err(Refusal::Protected);
    }
    let steps = path.ancestors().filter_map(|step| Some((step.parent()?, step.file_name()?)));
    for (above, name) in steps {
        if let Ok(directory) = open_without_links(above) {
            return protected.check_place(&directory, name);
        }
    }
    Err(Refusal::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::text;

    #[test]
    fn a_file_that_takes_the_place_at_the_last_moment_is_not_read() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("canonical");
        let (workspace, file) = (root.join("workspace"), root.join("file"));
        std::fs::create_dir(&workspace).expect("made");
        std::fs::write(&file, "shown").expect("written");
        let find = || {
            let found = Outside::find(&workspace, "../file", FileAccess::Read, &Protected::default());
            found.unwrap_or_else(|error| panic!("{error}"))
        };
        let place = find().if_still(&find()).unwrap_or_else(|error| panic!("{error}"));
        assert!(text::open(&place, &Protected::default()).is_ok());

        std::fs::write(root.join("other"), "another").expect("written");
        std::fs::rename(root.join("other"), &file).expect("renamed");

        let opened = text::open(&place, &Protected::default());
        assert!(matches!(opened, Err(text::FileError::Changed { .. })));
    }
}
