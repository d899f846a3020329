//! The files that the words of a command stand for.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plain::{PlainCommand, is_hidden};
use crate::folder::FileIdentity;

/// A program as it was found. Two are equal only if the file is the same one and nobody changed it in
/// between.
///
/// Programs that only choose another one (the `cargo` of rustup, the shims of pyenv and asdf, `java` by
/// alternatives) stay the same file when the person or a file in the workspace (`rust-toolchain.toml`,
/// `.python-version`) chooses differently. A rule for one of them is a rule for whatever it chooses among
/// what is installed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProgramFile {
    /// Where it was found, absolute: a directory without symbolic links, and the name that was typed.
    /// It runs by this path, because many programs go by the name that they are called by.
    pub path: PathBuf,
    /// The file that the path leads to, without symbolic links.
    pub file: PathBuf,
    /// Of that file.
    pub identity: FileIdentity,
    /// Of that file, in bytes.
    pub length: u64,
    /// When the content, the owner or the mode of that file last changed. Unlike the time of its content
    /// alone, no program can set it.
    pub changed_at: FileTime,
}

/// A moment of a file system's clock, since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileTime {
    pub seconds: i64,
    /// Beyond the seconds; less than a thousand million.
    pub nanoseconds: u32,
}

/// A plain command, and the program of each of its segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedCommand {
    command: PlainCommand,
    programs: Vec<ProgramFile>,
}

/// Why programs do not belong to a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongProgram {
    #[error("{given} programs were found for {segments} commands")]
    Count { segments: usize, given: usize },
    /// Its path is not absolute, has a name that was not typed, or cannot be shown.
    #[error("{} is not a path by which {program} can be run", tidegate_protocol::text::one_line(&path.to_string_lossy(), 200))]
    Path { program: String, path: PathBuf },
}

impl ResolvedCommand {
    /// A command with the program that was found for each segment.
    ///
    /// # Errors
    /// Where there are more or fewer than segments, or one has another name.
    pub fn new(command: PlainCommand, programs: Vec<ProgramFile>) -> Result<Self, WrongProgram> {
        let segments = command.segments();
        if segments.len() != programs.len() {
            return Err(WrongProgram::Count { segments: segments.len(), given: programs.len() });
        }
        let wrong = segments.iter().zip(&programs).find(|(segment, program)| {
            program.path.file_name() != Some(segment.program().as_ref()) || !is_sound(&program.path)
        });
        if let Some((segment, program)) = wrong {
            let (program, path) = (segment.program().to_owned(), program.path.clone());
            return Err(WrongProgram::Path { program, path });
        }
        Ok(Self { command, programs })
    }

    /// The command as it was read.
    #[must_use]
    pub fn command(&self) -> &PlainCommand {
        &self.command
    }

    /// One for each segment.
    #[must_use]
    pub fn programs(&self) -> &[ProgramFile] {
        &self.programs
    }

    /// What a shell runs: the words quoted again, and each program by its path. So no alias, function,
    /// builtin or search path of the shell plays a part.
    #[must_use]
    pub fn text(&self) -> String {
        self.command.joined(self.programs.iter().filter_map(|program| program.path.to_str()))
    }
}

/// Whether a path names one file from everywhere, and can be shown and quoted.
fn is_sound(path: &Path) -> bool {
    path.is_absolute() && path.to_str().is_some_and(|path| !path.chars().any(is_hidden))
}
