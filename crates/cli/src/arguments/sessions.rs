//! What `sessions` takes.

use std::path::PathBuf;

use clap::Subcommand;
use tidegate_protocol::SessionKey;

use super::values;

/// What to do with sessions.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum SessionsCommand {
    /// List sessions, the newest first
    #[command(after_help = "Example: tidegate sessions list")]
    List,
    /// Print a session's conversation
    #[command(after_help = "Example: tidegate sessions show main")]
    Show {
        /// The session's key
        #[arg(value_parser = values::session_key)]
        key: SessionKey,
        /// At most this many messages, the newest
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Delete a session with its conversation
    #[command(
        long_about = "Delete a session with its conversation. What runs in it is stopped.",
        after_help = "Example: tidegate sessions delete agent:main:notes"
    )]
    Delete {
        /// The session's key
        #[arg(value_parser = values::session_key)]
        key: SessionKey,
    },
    /// Stop what runs in a session
    #[command(
        long_about = "Stop what runs in a session, with its subagents and tools.",
        after_help = "Example: tidegate sessions cancel main"
    )]
    Cancel {
        /// The session's key
        #[arg(value_parser = values::session_key)]
        key: SessionKey,
    },
    /// Show or choose the folder in which a session works
    #[command(
        long_about = "Show the folder in which a session works, or choose another. Shows what that means and asks \
            before, in a terminal. When a desktop is running, its dialog decides instead.\n\nAgents read and change \
            everything in the folder without asking. It is never your home directory or a folder above it, and holds \
            neither Tidegate's state nor programs. The session's subagents work there too. What runs already goes on \
            where it is. When the folder is moved or replaced, nothing starts in the session until it is chosen \
            again.",
        after_help = "Example: tidegate sessions workspace main ~/projects/site"
    )]
    Workspace {
        /// The session's key
        #[arg(value_parser = values::session_key)]
        key: SessionKey,
        /// The folder
        #[arg(value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
        folder: Option<PathBuf>,
        /// The folder that sessions have when nobody chose one for them
        #[arg(long, conflicts_with = "folder")]
        default: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}
