//! What can be given when the shell is started.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Parser;
use tidegate_host::ServeOptions;
use tidegate_trust::decision::Desktop;

/// Run Tidegate, a gateway for agents on this computer, with an icon in the tray
#[derive(Debug, Parser)]
#[command(name = "tidegate-desktop", version)]
pub(crate) struct Arguments {
    /// The directory of Tidegate's state, instead of the usual one
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The port to listen on, instead of the one in the configuration; 0 takes any that is free
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The configuration file, instead of the usual one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl From<Arguments> for ServeOptions {
    fn from(arguments: Arguments) -> Self {
        let own = ServeOptions::default();
        Self {
            state_dir: arguments.state_dir,
            port: arguments.port,
            config: arguments.config,
            // Started from a launcher, the log file is the only place to look.
            quiet: !std::io::stderr().is_terminal(),
            // The command line is installed beside the shell.
            tool_runner: own.tool_runner.with_file_name(format!("tidegate{}", std::env::consts::EXE_SUFFIX)),
            // No dialog is there yet: the command line is where a person decides.
            desktop: Desktop::Absent,
            ..own
        }
    }
}
