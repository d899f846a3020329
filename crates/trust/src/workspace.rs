//! Which folders agents may not have to work in, and who chooses one for a session. Everything in a
//! workspace is theirs to read and to change unasked, so it never holds what decides about them, or what
//! the person's own programs start with. Every use of a folder as a workspace is checked here.

mod choice;

use std::path::{Path, PathBuf};

use tidegate_protocol::text::one_line;

pub use self::choice::{ChosenWorkspace, ProposedWorkspace};
use crate::folder::Folder;
use crate::settings::ValuePart;

/// Characters of a path in a sentence.
const SHOWN: usize = 200;

/// Places that a workspace may not hold. Each is named without symbolic links, as the folder that is
/// checked: names are compared, and nothing is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReservedPlaces {
    /// The person's home directory.
    pub home: Vec<PathBuf>,
    /// Where Tidegate keeps its state.
    pub state: Vec<PathBuf>,
    pub programs: Vec<PathBuf>,
    /// The directories in which the person's programs are found.
    pub search_path: Vec<PathBuf>,
    /// Keys and logins of programs, and what shells and sessions start.
    pub protected: Vec<PathBuf>,
    /// What other programs run or obey: toolchains, installed packages, extensions.
    pub run_by_others: Vec<PathBuf>,
}

/// Why a folder is not used as a workspace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedWorkspace {
    /// It is the home directory.
    #[error(
        "It is your home directory, where your programs keep their settings and start. Name a folder in it."
    )]
    Home,
    /// The home directory lies in it.
    #[error("Your home directory lies in it. Name a folder below your home directory.")]
    AboveHome,
    /// Tidegate's state lies in it, or it lies in Tidegate's state.
    #[error("Tidegate keeps its state there, which decides what agents may do. Name another folder.")]
    State,
    /// A program of Tidegate lies in it.
    #[error("Tidegate's own program lies in it, and agents could replace it. Name another folder.")]
    Program,
    /// A directory of the search path lies in it.
    #[error(
        "{} lies in it, one of the directories in which your programs are found (PATH), and agents could \
         replace them. Name another folder.", one_line(&directory.to_string_lossy(), SHOWN)
    )]
    SearchPath { directory: PathBuf },
    /// A protected file or folder lies in it, or it lies in one.
    #[error(
        "It holds {}, or lies in it: keys, logins, or files that programs start with. Name another folder.",
        one_line(&place.to_string_lossy(), SHOWN)
    )]
    Protected { place: PathBuf },
    /// What other programs run lies in it, or it lies among that.
    #[error(
        "It holds {}, or lies in it, and other programs of yours run what is there. Name another folder.",
        one_line(&place.to_string_lossy(), SHOWN)
    )]
    RunByOthers { place: PathBuf },
    /// Nothing has its name.
    #[error("There is no such folder. Make it first, or name another.")]
    Missing,
    /// A file or a device has its name.
    #[error("It is not a folder. Name a folder.")]
    NotAFolder,
    /// Its name is no text, or has characters that a person would not see.
    #[error("Its name cannot be shown. Rename the folder, or name another.")]
    NotShowable,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundFolder {
    Missing,
    NotAFolder,
    /// By its real name.
    Folder(Folder),
}

/// Why a folder that a person chose for a session is not used in a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "The workspace of this session, {}, is not used, so nothing was started. {change} Then send the message again, \
     or choose another folder for this session: send /workspace FOLDER, or use `tidegate sessions workspace`.",
    one_line(&folder.to_string_lossy(), SHOWN)
)]
pub struct LostWorkspace {
    /// By its real name when it was chosen.
    pub folder: PathBuf,
    pub change: WorkspaceChange,
}

/// What became of a folder after a person chose it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkspaceChange {
    /// Nothing has its name.
    #[error("It is gone: it was moved or deleted, or its disk is not attached. Put it back.")]
    Missing,
    #[error("It is not a folder any more. Put the folder back.")]
    NotAFolder,
    /// Its name leads through a symbolic link now.
    #[error("It became a symbolic link, or a folder above it did. Put the folder back.")]
    LeadsElsewhere,
    /// Another folder has its name.
    #[error("Another folder has its name now. Put the earlier one back.")]
    Replaced,
    /// It holds by now what no workspace may hold.
    #[error("{0}")]
    Refused(RefusedWorkspace),
    /// Its disk or network share does not answer.
    #[error("The disk or network share did not answer within {seconds} seconds. Make it reachable.")]
    NoAnswer { seconds: u64 },
    #[error("It cannot be looked at: {reason}. Make it reachable.")]
    Unreadable { reason: String },
}

impl ReservedPlaces {
    /// The folder that a person may choose for a session, of what was found under the name that they gave.
    ///
    /// # Errors
    /// Why they may not, as a sentence for the person.
    pub fn eligible(&self, found: FoundFolder) -> Result<Folder, RefusedWorkspace> {
        let folder = match found {
            FoundFolder::Missing => return Err(RefusedWorkspace::Missing),
            FoundFolder::NotAFolder => return Err(RefusedWorkspace::NotAFolder),
            FoundFolder::Folder(folder) => folder,
        };
        let name = folder.path.to_str().ok_or(RefusedWorkspace::NotShowable)?;
        ValuePart::try_from(name.to_owned()).map_err(|_| RefusedWorkspace::NotShowable)?;
        self.check(&folder.path)?;
        Ok(folder)
    }

    /// Whether a folder is still the one that a person chose, and may still be used, of what is found
    /// under its name now.
    ///
    /// # Errors
    /// What became of it.
    pub fn still(&self, chosen: &Folder, found: FoundFolder) -> Result<(), WorkspaceChange> {
        match found {
            FoundFolder::Missing => Err(WorkspaceChange::Missing),
            FoundFolder::NotAFolder => Err(WorkspaceChange::NotAFolder),
            FoundFolder::Folder(folder) if folder.path != chosen.path => Err(WorkspaceChange::LeadsElsewhere),
            FoundFolder::Folder(folder) if folder.identity != chosen.identity => {
                Err(WorkspaceChange::Replaced)
            }
            FoundFolder::Folder(folder) => self.check(&folder.path).map_err(WorkspaceChange::Refused),
        }
    }

    /// Whether agents may have a folder, by its real name.
    ///
    /// # Errors
    /// Why they may not, as a sentence for the person.
    pub fn check(&self, folder: &Path) -> Result<(), RefusedWorkspace> {
        let holds = |places: &[PathBuf]| places.iter().any(|place| place.starts_with(folder));
        if self.home.iter().any(|home| home == folder) {
            return Err(RefusedWorkspace::Home);
        }
        if holds(&self.home) {
            return Err(RefusedWorkspace::AboveHome);
        }
        if holds(&self.state) || self.state.iter().any(|state| folder.starts_with(state)) {
            return Err(RefusedWorkspace::State);
        }
        if holds(&self.programs) {
            return Err(RefusedWorkspace::Program);
        }
        if let Some(directory) = self.search_path.iter().find(|directory| directory.starts_with(folder)) {
            return Err(RefusedWorkspace::SearchPath { directory: directory.clone() });
        }
        let meets = |place: &&PathBuf| place.starts_with(folder) || folder.starts_with(place);
        if let Some(place) = self.protected.iter().find(meets) {
            return Err(RefusedWorkspace::Protected { place: place.clone() });
        }
        match self.run_by_others.iter().find(meets) {
            Some(place) => Err(RefusedWorkspace::RunByOthers { place: place.clone() }),
            None => Ok(()),
        }
    }
}
