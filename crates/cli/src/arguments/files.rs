//! What `files` takes.

use std::path::PathBuf;

use clap::Subcommand;

/// What to do with files that were set aside, and with those that commands only read.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum FilesCommand {
    /// List the files that were set aside
    #[command(after_help = "Example: tidegate files list")]
    List,
    /// Show a file, with what is in it and what it would do
    #[command(after_help = "Example: tidegate files show 3f2a9c1e")]
    Show {
        /// Its id, or the first 4 characters of it or more
        id: String,
    },
    /// Show a file and put it back where it was
    #[command(
        long_about = "Show a file and put it back where it was, exactly as shown. Asks before, in a terminal. \
            When a desktop is running, its dialog decides instead.\n\nA file is not put back over anything that \
            came to its place meanwhile, and not while a command of an agent runs in the folder.",
        after_help = "Example: tidegate files keep 3f2a9c1e"
    )]
    Keep {
        /// Its id, or the first 4 characters of it or more
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Give a folder copies of its own of files that other folders hold as well
    #[command(
        long_about = "Give a folder copies of its own of files that other folders hold as well (hard links), so that \
            commands of agents can change them without changing them there. Shows what that would be and asks \
            before, in a terminal. When a desktop is running, its dialog decides instead.\n\nPermissions and times \
            stay. Links are not followed, and nothing is done while a command of an agent runs in the folder.",
        after_help = "Example: tidegate files unshare ~/projects/site"
    )]
    Unshare {
        /// The folder; the current one unless it is given
        #[arg(value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
        folder: Option<PathBuf>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Remove a file that was set aside, for good
    #[command(after_help = "Example: tidegate files discard 3f2a9c1e")]
    Discard {
        /// Its id, or the first 4 characters of it or more
        id: String,
    },
}
