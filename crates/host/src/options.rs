//! How to serve.

use std::path::PathBuf;

use tidegate_providers::local::LocalAddress;
use tidegate_secrets::SecretStore;
use tidegate_trust::decision::Desktop;
use tidegate_trust::token::Token;

/// Receives what a person should see.
pub type Announce = Box<dyn FnMut(&Announcement) + Send>;

/// How to serve: on this computer only.
pub struct ServeOptions {
    /// The state directory; the system's default when not given.
    pub state_dir: Option<PathBuf>,
    /// The port; 0 for any free one. From the configuration when not given.
    pub port: Option<u16>,
    /// The configuration file; `openclaw.json` in the state directory when not given.
    pub config: Option<PathBuf>,
    /// Whether nothing is logged to the terminal.
    pub quiet: bool,
    /// The program that runs tools, as `PROGRAM run-tool`: our own command line.
    pub tool_runner: PathBuf,
    /// Whether a desktop is there for a person to decide at.
    pub desktop: Desktop,
    /// Where secrets are kept; the system's keyring when not given.
    pub secrets: Option<SecretStore>,
    /// Where model servers on this computer are looked for; the usual places when not given.
    pub local_models: Option<Vec<LocalAddress>>,
    /// Told what a person should see.
    pub announce: Announce,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            state_dir: None,
            port: None,
            config: None,
            quiet: false,
            tool_runner: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("tidegate")),
            desktop: Desktop::Absent,
            secrets: None,
            local_models: None,
            announce: Box::new(|_| {}),
        }
    }
}

/// What a person should see of a start.
#[derive(Debug, Clone)]
pub enum Announcement {
    /// A shared token was made. It is shown this once.
    SharedToken { token: Token },
    /// Runs of the process before were interrupted.
    Interrupted {
        /// How many were interrupted.
        runs: usize,
    },
    /// Commands of the process before were still running, and were ended.
    OrphansEnded {
        /// Their command lines, cleaned.
        commands: Vec<String>,
    },
    /// The gateway serves. Told again after a restart of the gateway.
    Ready {
        /// Its port on this computer.
        port: u16,
        /// Its state directory.
        state_dir: PathBuf,
    },
}
