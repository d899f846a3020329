//! What can be given when the shell is started.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Parser;
use tidegate_host::ServeOptions;
use tidegate_trust::decision::Desktop;

use crate::dialog;

/// Run Tidegate, a gateway for agents on this computer, with an icon in the tray
#[derive(Debug, Clone, Parser)]
#[command(name = "tidegate-desktop", version)]
pub(crate) struct Arguments {
    /// The directory of Tidegate's state, instead of the usual one
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// The port to listen on, instead of the one in the configuration; 0 takes any that is free
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The configuration file, instead of the usual one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Arguments {
    /// How a start at login is like this one: the same words, with whole paths.
    pub(crate) fn at_login(&self) -> Vec<OsString> {
        let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone()).into();
        let mut words: Vec<OsString> = Vec::new();
        if let Some(directory) = &self.state_dir {
            words.extend(["--state-dir".into(), whole(directory)]);
        }
        if let Some(port) = self.port {
            words.extend(["--port".into(), port.to_string().into()]);
        }
        if let Some(file) = &self.config {
            words.extend(["--config".into(), whole(file)]);
        }
        words
    }
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
            // Where no dialog can be drawn, the command line stays the place where a person decides.
            desktop: if dialog::ARE_DRAWN { Desktop::Running } else { Desktop::Absent },
            ..own
        }
    }
}
