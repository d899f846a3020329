//! What the configuration means for the parts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_agent::Limits;
use tidegate_peers::commands::MARK;
use tidegate_tools::{Launcher, Protected, Sandboxes, ToolEnvironment, ToolsConfig, User};

use crate::boot::BootError;
use crate::config::Config;
use crate::environment;
use crate::foundation::Place;

/// The directory that runs work in when nobody says otherwise; made when it is missing.
pub(crate) fn workspace(config: &Config, place: &Place) -> Result<PathBuf, BootError> {
    // Beside the state, not in it: tools never touch what lies in the state directory.
    let path = config.workspace.clone().unwrap_or_else(|| {
        let name =
            place.state_dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        place.state_dir.with_file_name(format!("{name}-workspace"))
    });
    let failed =
        |error: std::io::Error| BootError::StateDir { path: path.clone(), reason: error.to_string() };
    if place.may_write || !path.exists() {
        match std::fs::create_dir_all(&path) {
            Ok(()) => {}
            Err(error) if place.may_write => return Err(failed(error)),
            Err(_) => return Ok(path),
        }
    }
    path.canonicalize().map_err(failed)
}

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
pub(crate) fn launcher(tool_runner: PathBuf, place: &Place) -> Launcher {
    let mut launcher = Launcher::new(tool_runner);
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
    let home = environment::home().unwrap_or_else(|| PathBuf::from("/"));
    let mut protected = Protected::for_home(&home, &place.state_dir, &place.config);
    for (variable, usual) in [("XDG_CONFIG_HOME", ".config"), ("XDG_DATA_HOME", ".local/share")] {
        if let Some(moved) = environment::absolute(variable) {
            protected = protected.and_in(usual, &moved);
        }
    }
    let environment = ToolEnvironment::from_host(environment::all(), &temporary);
    ToolsConfig {
        launcher,
        protected,
        environment: environment.marked(MARK, &mark(place).to_string_lossy()),
        temporary,
        sandboxes,
    }
}

/// The sandboxes of commands. What only they see lies in the state directory.
pub(crate) fn sandboxes(place: &Place) -> Sandboxes {
    let user = User {
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        name: environment::lookup("USER").unwrap_or_else(|| "person".to_owned()),
        home: environment::home().unwrap_or_else(|| PathBuf::from("/")),
    };
    Sandboxes::new(place.state_dir.join("sandbox"), user)
}
