//! What `permissions` takes.

use clap::Subcommand;

/// What to do with permissions.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum PermissionsCommand {
    /// List what agents may do without asking you, and what ran that way
    #[command(after_help = "Example: tidegate permissions list")]
    List,
    /// Take a permission back
    #[command(
        long_about = "Take a permission back. Commands that run because of it end at once.",
        after_help = "Example: tidegate permissions revoke 3f2a9c1e"
    )]
    Revoke {
        /// Its id, or the first 4 characters of it or more
        id: String,
    },
    /// Ask about everything, whatever is allowed
    #[command(
        long_about = "Ask about everything, whatever is allowed. Permissions stay, and are not used until \
            `tidegate permissions use`. Commands that run go on.",
        after_help = "Example: tidegate permissions ask-everything"
    )]
    AskEverything,
    /// Use permissions again
    #[command(
        long_about = "Use permissions again, after `tidegate permissions ask-everything`. Asks before, in a \
            terminal. When a desktop is running, its dialog decides instead.",
        after_help = "Example: tidegate permissions use"
    )]
    Use {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}
