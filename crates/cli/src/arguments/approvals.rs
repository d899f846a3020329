//! What `approvals` takes.

use clap::{Args, Subcommand};
use tidegate_protocol::payload::permissions::PermissionOffer;

/// What to do with commands and files that wait.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ApprovalsCommand {
    /// List the commands and files that wait
    #[command(after_help = "Example: tidegate approvals list")]
    List,
    /// Show exactly what would be done, where, and for whom
    #[command(after_help = "Example: tidegate approvals show 3f2a9c1e")]
    Show {
        /// Its id, or the first 4 characters of it or more
        id: String,
    },
    /// Show a command or a file, and allow it
    #[command(
        long_about = "Show a command or a file, and allow it exactly as shown: once, or with one of the \
            permissions that `tidegate approvals show` lists for it. Asks before, in a terminal. When a desktop \
            is running, its dialog decides instead.",
        after_help = "Example: tidegate approvals allow 3f2a9c1e --in-folder"
    )]
    Allow {
        /// Its id, or the first 4 characters of it or more
        id: String,
        #[command(flatten)]
        offer: OfferChoice,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Refuse it
    #[command(
        after_help = "Example: tidegate approvals deny 3f2a9c1e --deny-reason 'Use the staging server.'"
    )]
    Deny {
        /// Its id, or the first 4 characters of it or more
        id: String,
        /// What the agent reads about why
        #[arg(long, value_name = "TEXT", value_parser = super::values::deny_reason)]
        deny_reason: Option<String>,
        /// Also stop the run that asked, with its subagents
        #[arg(long)]
        stop: bool,
    },
}

/// What is given with an approval; allowing it once when nothing is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[group(multiple = false)]
#[allow(clippy::struct_excessive_bools, reason = "one for each flag, of which at most one can be typed")]
pub struct OfferChoice {
    /// Allow what it needs until this task ends
    #[arg(long)]
    pub for_task: bool,
    /// Allow contained commands in this folder until you revoke that
    #[arg(long)]
    pub in_folder: bool,
    /// Allow what it needs in this folder for 30 days
    #[arg(long = "for-30-days")]
    pub for_30_days: bool,
    /// Allow reading below the folder of this file, for this session
    #[arg(long)]
    pub read_below: bool,
    /// Allow commands that begin with as many words of this one until you revoke that
    #[arg(long, value_name = "WORDS")]
    pub rule: Option<usize>,
}

impl OfferChoice {
    /// The flag that was typed, with its value; `None` for allowing it once.
    #[must_use]
    pub fn flag(self) -> Option<String> {
        let chosen = [
            (self.for_task, PermissionOffer::Task),
            (self.in_folder, PermissionOffer::Contained),
            (self.for_30_days, PermissionOffer::Needs),
            (self.read_below, PermissionOffer::ReadBelow),
        ];
        let rule = self.rule.map(|words| PermissionOffer::Rule { words });
        let plain = chosen.into_iter().find_map(|(is_chosen, offer)| is_chosen.then_some(offer));
        plain.or(rule).map(|offer| Self::flag_of(&offer))
    }

    /// The flag that gives an offer.
    #[must_use]
    pub fn flag_of(offer: &PermissionOffer) -> String {
        match offer {
            PermissionOffer::Task => "--for-task".to_owned(),
            PermissionOffer::Contained => "--in-folder".to_owned(),
            PermissionOffer::Needs => "--for-30-days".to_owned(),
            PermissionOffer::ReadBelow => "--read-below".to_owned(),
            PermissionOffer::Rule { words } => format!("--rule {words}"),
        }
    }
}
