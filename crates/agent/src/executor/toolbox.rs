//! The tools that runs can call, by name.

use std::sync::Arc;

use crate::tool::{Tool, ToolDescription};

/// Tools with their names. The first of a name is the one that is called.
pub(crate) struct Toolbox(Vec<NamedTool>);

/// A tool under the name that runs know it by.
pub(crate) struct NamedTool {
    pub(crate) name: &'static str,
    pub(crate) tool: Arc<dyn Tool>,
}

impl Toolbox {
    /// The runtime's `own` tools stand after the `given` ones and win over those of the same name.
    pub(crate) fn new(given: Vec<Arc<dyn Tool>>, own: Vec<Arc<dyn Tool>>) -> Self {
        let named = |tool: Arc<dyn Tool>| NamedTool { name: tool.description().name, tool };
        let own: Vec<NamedTool> = own.into_iter().map(named).collect();
        let given = given.into_iter().map(named).filter(|given| own.iter().all(|own| own.name != given.name));
        let mut tools: Vec<NamedTool> = given.collect();
        tools.extend(own);
        Self(tools)
    }

    pub(crate) fn catalog(&self) -> Vec<ToolDescription> {
        self.0.iter().map(|named| named.tool.description()).collect()
    }

    /// The tool of exactly this name.
    pub(crate) fn named(&self, name: &str) -> Option<&NamedTool> {
        self.0.iter().find(|named| named.name == name)
    }

    /// The tool that a model means: the one of exactly this name, or the first that has it in another case or as
    /// an alias.
    pub(crate) fn meant(&self, name: &str) -> Option<&NamedTool> {
        let is_meant = |named: &&NamedTool| {
            let mut aliases = named.tool.aliases().iter();
            named.name.eq_ignore_ascii_case(name) || aliases.any(|alias| alias.eq_ignore_ascii_case(name))
        };
        self.named(name).or_else(|| self.0.iter().find(is_meant))
    }
}
