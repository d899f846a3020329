//! `openclaw.json` in the state directory: OpenClaw's keys where they exist, JSON5, never written
//! by us. It may tighten; what would loosen waits until a person confirms it, or is refused with a
//! sentence where Tidegate has no such thing.

mod document;
mod fields;
mod last_good;
mod policy;
mod shown;

use std::path::Path;

use serde_json::Value;
use tidegate_agent::model::ModelName;

use self::fields::Fields;
pub use self::policy::{Policy, RefusedValue};
pub(crate) use self::shown::REDACTED;
pub use self::shown::config_get;
use crate::regular_file::read_text;

/// What of the configuration counts as soon as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// `gateway.port`.
    pub port: Option<u16>,
    /// `agents.defaults.model.primary` where it is the built-in model, which sends nothing anywhere.
    pub model: Option<ModelName>,
    /// `agents.defaults.subagents.maxSpawnDepth`.
    pub depth: Option<u32>,
    /// `agents.defaults.subagents.maxChildrenPerAgent`.
    pub children: Option<u32>,
    /// `agents.defaults.subagents.maxConcurrent`.
    pub concurrent_subagents: Option<usize>,
    /// `agents.defaults.subagents.maxDescendants`; Tidegate's own.
    pub descendants: Option<u32>,
    /// `agents.defaults.subagents.runTimeoutSeconds`.
    pub subagent_timeout_seconds: Option<u64>,
    /// `agents.defaults.runs.keepDays`: how many days the rows of ended runs are kept; Tidegate's own.
    pub keep_runs_days: Option<u64>,
    /// `tools.exec.memoryMiB`: memory that the processes of a command may use together; Tidegate's own.
    pub command_memory_mib: Option<u64>,
    /// `tools.exec.memoryScope`: whether each sandbox gets a control group from the person's service manager;
    /// Tidegate's own.
    pub command_memory_scope: bool,
    /// `tools.exec.withoutToolchains`: folders, absolute or beginning with `~/`, of toolchains that commands do
    /// not see; Tidegate's own.
    pub without_toolchains: Vec<String>,
}

impl Config {
    /// The model that answers when nobody names one. `confirmed` is what counts of the one that the
    /// file proposes.
    pub(crate) fn default_model(&self, confirmed: Option<String>) -> Option<ModelName> {
        self.model.clone().or_else(|| ModelName::parse(&confirmed?))
    }
}

/// What reading the configuration found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loaded {
    /// The configuration in use.
    pub config: Config,
    /// Whether there is a file.
    pub exists: bool,
    /// What is wrong with the file, all at once; then the last good copy is in use.
    pub problems: Vec<String>,
    /// What would loosen or redirect.
    pub policy: Policy,
    /// What clients may see of the file itself; none where it could not be parsed.
    shown: Option<Value>,
}

impl Loaded {
    /// Nothing could be read at all.
    pub(crate) fn unreadable(problem: String) -> Self {
        Self { exists: true, problems: vec![problem], ..Self::default() }
    }
}

/// The file's name in the state directory.
pub const FILE: &str = "openclaw.json";
/// The most bytes of the file.
const MAX_BYTES: u64 = 1024 * 1024;

/// What counts where the file cannot be read, and why that is. Blocks: call it off the async workers.
pub(crate) fn load_last_good(path: &Path, problem: String) -> Loaded {
    fall_back(path, None, vec![problem])
}

/// Reads the configuration. A broken file changes nothing: the last good copy is used, and the
/// problems are reported. Blocks: call it off the async workers.
#[must_use]
pub fn load(path: &Path) -> Loaded {
    let text = match read_text(path, MAX_BYTES) {
        Ok(None) => return Loaded::default(),
        Ok(Some(text)) => text,
        Err(error) => return fall_back(path, None, vec![error.to_string()]),
    };
    let value = match object(&text) {
        Ok(value) => value,
        Err(problems) => return fall_back(path, None, problems),
    };
    let shown = Some(shown::harmless(&value));
    match read(&value) {
        Ok((config, policy)) => {
            last_good::keep(path, &text);
            Loaded { config, exists: true, problems: Vec::new(), policy, shown }
        }
        Err(problems) => fall_back(path, shown, problems),
    }
}

fn fall_back(path: &Path, shown: Option<Value>, problems: Vec<String>) -> Loaded {
    let good = read_text(&last_good::path(path), MAX_BYTES).ok().flatten();
    let (config, policy) = good.and_then(|text| parse(&text).ok()).unwrap_or_default();
    Loaded { config, exists: true, problems, policy, shown }
}

/// Parses the whole text, and names every problem at once.
///
/// # Errors
/// All problems.
pub fn parse(text: &str) -> Result<(Config, Policy), Vec<String>> {
    read(&object(text)?)
}

/// The whole text as an object.
fn object(text: &str) -> Result<Value, Vec<String>> {
    match document::parse(text) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err(vec!["it must be an object".to_owned()]),
        Err(problem) => Err(vec![problem]),
    }
}

fn read(value: &Value) -> Result<(Config, Policy), Vec<String>> {
    let mut fields = Fields { value, problems: Vec::new() };
    let mut policy = policy::policy(&mut fields);
    let config = Config {
        port: fields.number("/gateway/port", 1, 65_535),
        model: policy::model(&mut fields, &mut policy),
        depth: fields.number("/agents/defaults/subagents/maxSpawnDepth", 1, 5),
        children: fields.number("/agents/defaults/subagents/maxChildrenPerAgent", 1, 64),
        concurrent_subagents: fields.number("/agents/defaults/subagents/maxConcurrent", 1, 64),
        descendants: fields.number("/agents/defaults/subagents/maxDescendants", 1, 1024),
        subagent_timeout_seconds: fields.number("/agents/defaults/subagents/runTimeoutSeconds", 1, 86_400),
        keep_runs_days: fields.number("/agents/defaults/runs/keepDays", 1, 3_650),
        command_memory_mib: fields.number("/tools/exec/memoryMiB", 256, 16_777_216),
        command_memory_scope: fields.switch("/tools/exec/memoryScope"),
        without_toolchains: fields.folders("/tools/exec/withoutToolchains"),
    };
    if fields.problems.is_empty() { Ok((config, policy)) } else { Err(fields.problems) }
}

#[cfg(test)]
mod tests;
