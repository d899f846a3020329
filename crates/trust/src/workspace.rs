//! Which folders agents may not have to work in. Everything in a workspace is theirs to read and to
//! change unasked, so it never holds what decides about them, or what the person's own programs start
//! with. Every use of a folder as a workspace is checked here.

use std::path::{Path, PathBuf};

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
         replace them. Name another folder.", tidegate_protocol::text::one_line(&directory.to_string_lossy(), 200)
    )]
    SearchPath { directory: PathBuf },
}

impl ReservedPlaces {
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
        match self.search_path.iter().find(|directory| directory.starts_with(folder)) {
            Some(directory) => Err(RefusedWorkspace::SearchPath { directory: directory.clone() }),
            None => Ok(()),
        }
    }
}
