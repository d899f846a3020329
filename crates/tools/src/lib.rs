//! The tools that a model may call: files of the run's workspace, and commands that a person allows.
//!
//! The agent is a stranger. File tools reach the workspace through a directory handle, so that no
//! path, link or swap leads out of it, and never touch [`Protected`] files. A command runs only with
//! a person's answer to exactly that command, in a process of its own ([`run_tool()`]) that confines
//! it, watches that the host lives, and ends everything that the command started.
//!
//! `exec` needs a Unix system. Sandboxes (`tidegate-sandbox`) and the search for processes that left
//! their group need Linux.

mod answer;
mod arguments;
#[cfg(unix)]
mod exec;
mod files;
mod identity;
mod looking;
mod protected;
mod question;
mod run_by_others;
#[cfg(unix)]
mod run_tool;
mod shield;
mod workspace;

use std::path::PathBuf;
use std::sync::Arc;

use tidegate_agent::tool::Tool;

#[cfg(unix)]
pub use exec::{
    Launcher, SandboxOptions, Sandboxes, SetAsideError, SetAsideEvent, SetAsideFiles, ToolEnvironment,
    UnshareError,
};
pub use protected::Protected;
#[cfg(unix)]
pub use run_tool::network::NetworkPorts;
#[cfg(unix)]
pub use run_tool::{run_tool, run_tool_with};
pub use shield::shield_process;
#[cfg(unix)]
pub use tidegate_sandbox::spec::User;

/// What the tools need to know.
#[derive(Debug, Clone)]
pub struct ToolsConfig {
    /// How commands are started.
    #[cfg(unix)]
    pub launcher: Launcher,
    /// What no tool touches.
    pub protected: Protected,
    /// The directory for temporary files: the only one beside the workspace in which commands may
    /// write. Absolute, and not one that holds protected files.
    pub temporary: PathBuf,
    /// The variables that every command sees.
    #[cfg(unix)]
    pub environment: ToolEnvironment,
    /// The sandboxes of commands.
    #[cfg(unix)]
    pub sandboxes: Arc<Sandboxes>,
}

/// `read`, `write`, `edit`, `ls`, `glob`, `grep`, and on Unix `exec`.
///
/// A run's workspace ([`tidegate_agent::authority::RunAuthority::workspace`]) must be canonical:
/// named without symbolic links.
#[must_use]
pub fn standard_tools(config: ToolsConfig) -> Vec<Arc<dyn Tool>> {
    let mut tools = files::file_tools(&config.protected);
    tools.extend(looking::looking_tools(&config.protected));
    #[cfg(unix)]
    {
        let temporary = config.temporary.canonicalize().unwrap_or(config.temporary);
        tools.push(Arc::new(exec::Exec::new(
            config.launcher,
            config.protected,
            temporary,
            config.environment,
            config.sandboxes,
        )));
    }
    tools
}
