//! The command line's grammar. Long help is what `tidegate COMMAND --help` prints.

mod approvals;
mod devices;
mod files;
mod models;
mod permissions;
mod sessions;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tidegate_protocol::{RunId, SessionKey};
use tidegate_trust::Level;

pub use approvals::{ApprovalsCommand, OfferChoice};
pub use devices::{ApproveArguments, DeviceReference, DevicesCommand};
pub use files::FilesCommand;
pub use models::{AddModelArguments, ModelsCommand};
pub use permissions::PermissionsCommand;
pub use sessions::SessionsCommand;

/// Everything that was typed.
#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    about = "Run and control Tidegate, a gateway for agents on this computer",
    long_about = "Run and control Tidegate, a gateway for agents on this computer.\n\n\
        `tidegate serve` starts the gateway without a desktop. All other commands talk to the \
        gateway that runs already, through a private socket that only your user can open.\n\n\
        Exit codes: 0 done; 1 Tidegate said no, or it failed; 2 wrong usage; 3 Tidegate is not \
        running; 4 refused, because this command was started by an agent or by another user; 5 approval \
        required, a dialog was opened on the desktop.",
    after_help = "Example: tidegate status",
    disable_help_subcommand = true
)]
pub struct Arguments {
    /// The directory of Tidegate's state
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        long_help = "The directory of Tidegate's state: database, socket, logs. Needed only when \
            Tidegate was started with another than the usual one."
    )]
    pub state_dir: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(
        long,
        global = true,
        long_help = "Print JSON instead of text: the gateway's own answer, for scripts. Errors stay \
            sentences on the standard error."
    )]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway without a desktop, until it is stopped
    #[command(long_about = "Run the gateway without a desktop, until Ctrl-C, a termination signal, or \
        `tidegate stop`.\n\nOn a computer without a desktop, `tidegate devices approve` and \
        `tidegate approvals allow` are where you decide.")]
    #[command(after_help = "Example: tidegate serve --port 18790")]
    Serve(ServeArguments),
    #[command(flatten)]
    Control(ControlCommand),
    /// Run one tool of an agent (started by Tidegate itself)
    #[command(hide = true)]
    RunTool {
        /// The state directory of the Tidegate that started it, for the list of processes
        state_dir: Option<PathBuf>,
    },
    /// Print the version
    #[command(after_help = "Example: tidegate version")]
    Version,
}

/// What `serve` takes.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// The port to listen on
    #[arg(
        long,
        value_name = "PORT",
        long_help = "The port to listen on, instead of the one in the configuration. 0 takes any that \
            is free; the address is printed."
    )]
    pub port: Option<u16>,
    /// Where to listen
    #[arg(long, value_enum, default_value_t = Bind::Loopback)]
    pub bind: Bind,
    /// The configuration file
    #[arg(long, value_name = "FILE", long_help = "The configuration file, instead of the usual one.")]
    pub config: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(long)]
    pub quiet: bool,
}

/// Where the gateway listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Bind {
    /// Only programs on this computer can connect
    Loopback,
}

/// A command for the gateway that runs.
#[derive(Debug, Subcommand)]
pub enum ControlCommand {
    /// Show whether everything works, and what waits for you
    #[command(after_help = "Example: tidegate status")]
    Status,
    /// Show the shared token, or manage tokens
    #[command(
        long_about = "Show the shared token, or manage tokens.\n\nWithout a subcommand it prints the \
            shared token and nothing else, so that scripts can use it. Tidegate checks tokens by \
            their hash; where there is no keyring to keep the token in, it cannot be shown again, and \
            `tidegate token rotate` makes a new one.",
        after_help = "Example: tidegate token new --name backup-script --level read"
    )]
    Token(TokenArguments),
    /// Approve, reject and revoke devices and programs
    #[command(
        subcommand,
        long_about = "Approve, reject and revoke devices and programs: those that want to pair, and those that you know.\n\n\
            IDs can be shortened: the code in the first column of `tidegate devices list` is enough.",
        after_help = "Example: tidegate devices approve 3f2a9c1e --level write"
    )]
    Devices(DevicesCommand),
    /// Decide which commands agents may run, and which files outside their workspace they may use
    #[command(
        subcommand,
        long_about = "Decide which commands agents may run, and which files outside their workspace they may \
            use.\n\nWhat nobody allows within 30 minutes is not done.",
        after_help = "Example: tidegate approvals show 3f2a9c1e"
    )]
    Approvals(ApprovalsCommand),
    /// List and revoke what agents may do without asking you
    #[command(
        subcommand,
        long_about = "List and revoke what agents may do without asking you, and see what ran that way.\n\n\
            You give a permission when you decide about a request: with `tidegate approvals allow`, or in \
            Tidegate's dialog.",
        after_help = "Example: tidegate permissions list"
    )]
    Permissions(PermissionsCommand),
    /// List and interrupt commands of agents that run now
    #[command(
        subcommand,
        long_about = "List and interrupt commands of agents that run now.\n\nTo interrupt one is to press Ctrl-C \
            for it: the agent goes on, and reads that you did. `tidegate sessions cancel` stops the agent too.",
        after_help = "Example: tidegate commands list"
    )]
    Commands(CommandsCommand),
    /// Decide about files that agents' commands planted and that were set aside
    #[command(
        subcommand,
        long_about = "Decide about files that agents' commands planted and that were set aside: text that would \
            run as your own commands when a prompt, git, an editor or an agent reads it.\n\nWhat you do not keep \
            is discarded after 30 days.",
        after_help = "Example: tidegate files show 3f2a9c1e"
    )]
    Files(FilesCommand),
    /// Review security-sensitive configuration values
    #[command(
        subcommand,
        long_about = "Review security-sensitive configuration values.\n\nA value that opens \
            Tidegate to others does not count because a file says so: it waits until you confirm exactly \
            that value. The file is read when Tidegate starts or restarts.",
        after_help = "Example: tidegate config list"
    )]
    Config(ConfigCommand),
    /// List, add, try and choose models
    #[command(subcommand, after_help = "Example: tidegate models use ollama/qwen3")]
    Models(ModelsCommand),
    /// Send a message to the agent and print its answer as it comes
    #[command(
        long_about = "Send a message to the agent and print its answer as it comes.\n\nIn a terminal you are \
            asked here about what the agent wants to do, unless a desktop is running: then its dialog opens. \
            Without a terminal, the id of each request is printed.\n\nCtrl-C stops the run.",
        after_help = "Example: tidegate agent --message 'What is in my workspace?'"
    )]
    Agent(AgentArguments),
    /// List, read, stop and delete sessions, and choose where they work
    #[command(subcommand, after_help = "Example: tidegate sessions show main")]
    Sessions(SessionsCommand),
    /// Print the newest lines of the log
    #[command(after_help = "Example: tidegate logs --follow")]
    Logs(LogsArguments),
    /// Print who was admitted or refused, and what was decided
    #[command(after_help = "Example: tidegate audit --limit 20")]
    Audit(AuditArguments),
    /// Check every part and say what to do
    #[command(
        long_about = "Check every part and say what to do. Ends with 1 when a check failed.",
        after_help = "Example: tidegate doctor"
    )]
    Doctor,
    /// Start a subagent through the whole path, and clean up
    #[command(
        long_about = "Start a subagent through the whole path with the built-in model, and clean up. \
            Ends with 1 when a step failed.",
        after_help = "Example: tidegate selftest"
    )]
    Selftest,
    /// Start no model call and no tool until `tidegate resume`
    #[command(after_help = "Example: tidegate pause")]
    Pause,
    /// Resume agent work
    #[command(after_help = "Example: tidegate resume")]
    Resume,
    /// Stop Tidegate
    #[command(after_help = "Example: tidegate stop")]
    Stop,
    /// Print commands that connect the OpenClaw CLI to this gateway
    #[command(
        long_about = "Print commands that connect the OpenClaw CLI to this gateway. They can be pasted \
            into a shell; no token is printed.",
        after_help = "Example: tidegate connect"
    )]
    Connect,
}

/// What `token` takes.
#[derive(Debug, Args)]
pub struct TokenArguments {
    /// What to do; `show` when nothing is given.
    #[command(subcommand)]
    pub command: Option<TokenCommand>,
}

/// What to do with tokens.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum TokenCommand {
    /// Print the shared token
    #[command(after_help = "Example: tidegate token show")]
    Show,
    /// Make a token for one program and print it, once
    #[command(
        long_about = "Make a token for one program and print it, once. Keep it where the program finds \
            it: Tidegate keeps only its hash.\n\nWhen a desktop is running, its dialog makes the token and \
            shows it.",
        after_help = "Example: tidegate token new --name openclaw --level full"
    )]
    New {
        /// The name under which you will recognise it
        #[arg(long)]
        name: String,
        /// What the program may do
        #[arg(
            long,
            value_parser = values::level(),
            long_help = "What the program may do.\n  read   look at everything, change nothing\n  write  \
                look, and talk to agents\n  full   also change sessions and settings, and decide about \
                commands and files"
        )]
        level: Level,
        /// Also let it approve devices and programs, as `openclaw devices` does
        #[arg(long)]
        pairing: bool,
    },
    /// List tokens, and programs that use the shared one
    #[command(after_help = "Example: tidegate token list")]
    List,
    /// Take a program's token away
    #[command(
        long_about = "Take a program's token away. Its connections end at once.",
        after_help = "Example: tidegate token revoke openclaw"
    )]
    Revoke {
        /// The token's id or name
        id: String,
    },
    /// Replace the shared token and print the new one
    #[command(
        long_about = "Replace the shared token and print the new one. Programs that use the old one are \
            disconnected, and are asked about again when they come with the new one.",
        after_help = "Example: tidegate token rotate"
    )]
    Rotate,
}

/// What to do with commands that run now.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum CommandsCommand {
    /// List the commands that run now, the oldest first
    #[command(after_help = "Example: tidegate commands list")]
    List,
    /// Send Ctrl-C to a command
    #[command(
        long_about = "Send Ctrl-C to a command: to what runs in the foreground of its terminal, or to its process \
            group where it has none. A command can ignore it.",
        after_help = "Example: tidegate commands interrupt call_1"
    )]
    Interrupt {
        /// The command's id, as `tidegate commands list` shows it
        id: String,
        /// The run, where commands of several runs have the same id
        #[arg(long, value_name = "RUN", value_parser = values::run_id)]
        run: Option<RunId>,
    },
}

/// What to do with values of the configuration that open something.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// List what the configuration would open, and what is never applied
    #[command(after_help = "Example: tidegate config list")]
    List,
    /// Show a value and let it count
    #[command(
        long_about = "Show a value and let it count, exactly as shown; another value asks again. Asks before, \
            in a terminal. When a desktop is running, its dialog decides instead.",
        after_help = "Example: tidegate config confirm gateway.controlUi.allowedOrigins"
    )]
    Confirm {
        /// The key, as `tidegate config list` shows it
        key: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Refuse a value, or take one back that was confirmed
    #[command(after_help = "Example: tidegate config reject gateway.controlUi.allowedOrigins")]
    Reject {
        /// The key, as `tidegate config list` shows it
        key: String,
    },
}

/// What `agent` takes.
#[derive(Debug, Args)]
pub struct AgentArguments {
    /// What to say
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub message: String,
    /// The session to say it in
    #[arg(long, value_name = "KEY", value_parser = values::session_key, default_value = "main")]
    pub session: SessionKey,
    /// The model for this message
    #[arg(
        long,
        value_name = "PROVIDER/MODEL",
        long_help = "The model for this message; `tidegate models list` shows them."
    )]
    pub model: Option<String>,
    /// The folder in which the session works from now on
    #[arg(
        long,
        value_name = "FOLDER",
        value_hint = clap::ValueHint::DirPath,
        long_help = "The folder in which the session works from now on, as `tidegate sessions workspace` chooses it. \
            Asks before, in a terminal. When a desktop is running, its dialog decides instead, and the message is \
            not sent."
    )]
    pub workspace: Option<PathBuf>,
    /// Do not ask about the folder
    #[arg(long, requires = "workspace")]
    pub yes: bool,
}

/// What `logs` takes.
#[derive(Debug, Args)]
pub struct LogsArguments {
    /// Go on printing until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// Begin with this many lines
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub limit: u32,
}

/// What `audit` takes.
#[derive(Debug, Args)]
pub struct AuditArguments {
    /// At most this many entries, the newest
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
}
