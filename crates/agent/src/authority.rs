//! What a run may do. A value: made for a root run from who started it, narrowed for each child,
//! stored with the run, and checked where the effect happens. It never comes from a connection.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tidegate_trust::Folder;
use tidegate_trust::permissions::Attendance;

/// Who a root run acts for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Owner {
    /// A client that holds `operator.admin`, or the person's own surface: may choose models and reset.
    Owner {
        /// The client as audit lines name it.
        name: String,
    },
    /// A client without `operator.admin`.
    Guest {
        /// The client as audit lines name it.
        name: String,
    },
}

impl Owner {
    /// The client as audit lines name it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Owner { name } | Self::Guest { name } => name,
        }
    }
}

/// Why a child may not have what its parent asked for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Widening {
    /// A tool that the parent may not use itself.
    #[error("the tool {tool:?} is not one that this run may use, so a child cannot have it")]
    Tool {
        /// The tool asked for.
        tool: String,
    },
    /// A working directory outside the parent's.
    #[error("{path:?} is outside this run's workspace {workspace:?}")]
    Directory {
        /// The directory asked for.
        path: PathBuf,
        /// The parent's workspace.
        workspace: PathBuf,
    },
}

/// What one run may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunAuthority {
    owner: Owner,
    workspace: PathBuf,
    /// The folder that a person chose, in which the workspace lies.
    #[serde(default)]
    folder: Option<Folder>,
    tools: BTreeSet<String>,
    #[serde(default)]
    attendance: Attendance,
}

impl RunAuthority {
    /// The authority of a run that a client or a person starts.
    #[must_use]
    pub fn root(owner: Owner, workspace: PathBuf, tools: BTreeSet<String>) -> Self {
        Self { owner, workspace, folder: None, tools, attendance: Attendance::Attended }
    }

    /// The same for a run that nobody began with a message.
    #[must_use]
    pub fn unattended(self) -> Self {
        Self { attendance: Attendance::Unattended, ..self }
    }

    /// Whether a person watches the run. Its children have it from it.
    #[must_use]
    pub fn attendance(&self) -> Attendance {
        self.attendance
    }

    /// The same in a folder that a person chose.
    #[must_use]
    pub fn in_folder(self, folder: Folder) -> Self {
        Self { workspace: folder.path.clone(), folder: Some(folder), ..self }
    }

    /// The authority of a child. Asking for nothing means as much as the parent has, less
    /// `withheld`; nothing can be gained.
    ///
    /// # Errors
    /// When a tool or the directory lies outside what the parent has.
    pub fn narrow(
        &self,
        tools: Option<&BTreeSet<String>>,
        directory: Option<&Path>,
        withheld: &[&str],
    ) -> Result<Self, Widening> {
        if let Some(tool) = tools.and_then(|tools| tools.iter().find(|tool| !self.tools.contains(*tool))) {
            return Err(Widening::Tool { tool: tool.clone() });
        }
        let workspace = match directory {
            None => self.workspace.clone(),
            Some(path) if !path.components().any(|part| part == std::path::Component::ParentDir) => {
                let path = self.workspace.join(path);
                if !path.starts_with(&self.workspace) {
                    return Err(Widening::Directory { path, workspace: self.workspace.clone() });
                }
                path
            }
            Some(path) => {
                return Err(Widening::Directory { path: path.to_owned(), workspace: self.workspace.clone() });
            }
        };
        let tools = tools.unwrap_or(&self.tools);
        let tools = tools.iter().filter(|tool| !withheld.contains(&tool.as_str())).cloned().collect();
        Ok(Self { workspace, tools, ..self.clone() })
    }

    /// Whether the run may use a tool.
    #[must_use]
    pub fn may_use(&self, tool: &str) -> bool {
        self.tools.contains(tool)
    }

    /// The tools it may use.
    #[must_use]
    pub fn tools(&self) -> &BTreeSet<String> {
        &self.tools
    }

    /// The directory that file tools are confined to.
    #[must_use]
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// The folder that a person chose, in which [`Self::workspace`] lies; `None` where nobody chose one.
    #[must_use]
    pub fn folder(&self) -> Option<&Folder> {
        self.folder.as_ref()
    }

    /// Who the root of its tree acts for.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Whether the run may choose models and reset sessions.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        matches!(self.owner, Owner::Owner { .. })
    }
}
