//! What `devices` takes.

use clap::{Args, Subcommand};
use tidegate_protocol::Scope;
use tidegate_trust::Level;

use super::values;

/// What to do with devices and programs.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum DevicesCommand {
    /// List who waits, who is known and who is blocked
    #[command(after_help = "Example: tidegate devices list")]
    List,
    /// Show a waiting request or a known device in full
    #[command(after_help = "Example: tidegate devices show 3f2a9c1e")]
    Show(DeviceReference),
    /// Show a request and let it in
    #[command(
        long_about = "Show a request and let it in. Asks before, in a terminal. Compare the code with \
            the one that the device shows.\n\nWithout a level or scopes, everything that was asked for \
            is granted. When a desktop is running, its dialog decides instead.",
        after_help = "Example: tidegate devices approve 3f2a9c1e --level read --once"
    )]
    Approve(ApproveArguments),
    /// Refuse a request, and hear nothing of it for 10 minutes
    #[command(after_help = "Example: tidegate devices reject 3f2a9c1e")]
    Reject(DeviceReference),
    /// Put a request aside
    #[command(after_help = "Example: tidegate devices later 3f2a9c1e")]
    Later(DeviceReference),
    /// Take a device's or program's rights away
    #[command(
        long_about = "Take a device's or program's rights away. Its connections end at once; it can ask \
            again.",
        after_help = "Example: tidegate devices revoke ed6098d8"
    )]
    Revoke(DeviceReference),
    /// Refuse a request or device for good
    #[command(
        long_about = "Refuse a request or device for good. Its connections end at once, and it cannot \
            ask again until `tidegate devices unblock`.",
        after_help = "Example: tidegate devices block ed6098d8"
    )]
    Block(DeviceReference),
    /// Let something that is blocked ask again
    #[command(
        long_about = "Let something that is blocked ask again, by the id that `tidegate devices list` \
            shows. When a desktop is running, its dialog decides instead.",
        after_help = "Example: tidegate devices unblock 5f0c6a1b2d3e4f50"
    )]
    Unblock(DeviceReference),
}

/// A request, device or program by its id.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct DeviceReference {
    /// The id, or its first 8 characters or more
    pub id: String,
}

/// What `devices approve` takes.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ApproveArguments {
    /// The request's id, or its first 8 characters or more
    pub id: String,
    /// Grant a level instead of what was asked for
    #[arg(
        long,
        value_parser = values::level(),
        conflicts_with = "scopes",
        long_help = "Grant a level instead of what was asked for. Useful for command lines, whose \
            commands ask for different scopes.\n  read   look at everything, change nothing\n  write  \
            look, and talk to agents\n  full   also change sessions and settings, and decide about \
            commands and files"
    )]
    pub level: Option<Level>,
    /// Grant only these of the scopes that were asked for
    #[arg(long, value_name = "SCOPE,SCOPE", value_delimiter = ',', value_parser = values::scope)]
    pub scopes: Option<Vec<Scope>>,
    /// With a level: also let it approve others, if it asked for that
    #[arg(long, requires = "level")]
    pub pairing: bool,
    /// Only for its next connection, within 5 minutes
    #[arg(long, conflicts_with = "until_quit")]
    pub once: bool,
    /// Only until Tidegate quits
    #[arg(long)]
    pub until_quit: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}
