//! What the configuration means for the parts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_agent::Limits;
use tidegate_peers::commands::{MARK, RunningCommands};
use tidegate_tools::{Launcher, Protected, SandboxOptions, Sandboxes, ToolEnvironment, ToolsConfig, User};

use crate::config::{Config, Loaded};
use crate::environment;
use crate::process_context::Place;
use crate::state_dir::control_socket;

/// What runs may use.
pub(crate) fn limits(config: &Config) -> Limits {
    let mut limits = Limits::default();
    if let Some(depth) = config.depth {
        limits.depth = depth;
    }
    if let Some(children) = config.children {
        limits.children = children;
    }
    if let Some(concurrent) = config.concurrent_subagents {
        limits.concurrent_subagents = concurrent;
    }
    if let Some(descendants) = config.descendants {
        limits.descendants = descendants;
    }
    if let Some(seconds) = config.subagent_timeout_seconds {
        limits.subagent_timeout = Duration::from_secs(seconds);
    }
    limits
}

/// How long ended runs are kept.
pub(crate) fn keep_runs(config: &Config) -> Duration {
    const DAYS: u64 = 30;
    Duration::from_hours(24 * config.keep_runs_days.unwrap_or(DAYS))
}

/// How commands are started.
pub(crate) fn launcher(tool_runner: PathBuf, place: &Place, commands: RunningCommands) -> Launcher {
    let mut launcher = Launcher::new(tool_runner);
    launcher.commands = commands;
    launcher.arguments.push(mark(place).into());
    launcher
}

/// What outlives this process is known by it at the next start.
fn mark(place: &Place) -> PathBuf {
    place.state_dir.canonicalize().unwrap_or_else(|_| place.state_dir.clone())
}

/// How tools are started, and what they may never touch.
pub(crate) fn tools(launcher: Launcher, sandboxes: Arc<Sandboxes>, place: &Place) -> ToolsConfig {
    let temporary = std::env::temp_dir();
    let environment = ToolEnvironment::from_host(environment::all(), &temporary);
    ToolsConfig {
        launcher,
        protected: protected(place),
        environment: environment.marked(MARK, &mark(place).to_string_lossy()),
        temporary,
        sandboxes,
    }
}

/// What tools never touch, and no workspace may hold.
pub(crate) fn protected(place: &Place) -> Protected {
    let home = environment::home().unwrap_or_else(|| PathBuf::from("/"));
    let mut protected = Protected::for_home(&home, &place.state_dir, &place.config);
    for (variable, usual) in [("XDG_CONFIG_HOME", ".config"), ("XDG_DATA_HOME", ".local/share")] {
        if let Some(moved) = environment::absolute(variable) {
            protected = protected.and_in(usual, &moved);
        }
    }
    if let Ok(socket) = control_socket(&place.state_dir)
        && let Some(directory) = socket.parent().filter(|directory| *directory != place.state_dir)
    {
        protected = protected.and_hidden(directory.to_owned());
    }
    protected
}

/// The sandboxes of commands. What only they see lies in the state directory.
/// `port` is the gateway's.
pub(crate) fn sandboxes(place: &Place, loaded: &Loaded, port: u16) -> Sandboxes {
    let user = User {
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        name: environment::lookup("USER").unwrap_or_else(|| "person".to_owned()),
        home: environment::home().unwrap_or_else(|| PathBuf::from("/")),
    };
    let config = &loaded.config;
    let folder = |text: &String| match text.strip_prefix("~/") {
        Some(rest) => user.home.join(rest),
        None => PathBuf::from(text),
    };
    let options = SandboxOptions {
        reserved_ports: std::iter::once(port).chain(config.port).chain(loaded.policy.page_ports()).collect(),
        memory: config.command_memory_mib.map(|mebibytes| mebibytes << 20),
        without_toolchains: config.without_toolchains.iter().map(folder).collect(),
        memory_scope: config.command_memory_scope,
        systemd_run: None,
        bubblewrap: None,
    };
    Sandboxes::new(place.state_dir.join("sandbox"), user).with_options(options)
}
