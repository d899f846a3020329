//! The agent and its tools.

use serde_json::{Value, json};
use tidegate_protocol::ErrorShape;
use tidegate_protocol::ids::DEFAULT_AGENT;
use tidegate_protocol::params::AgentIdentity;

use crate::dispatch::Caller;

/// `agent.identity.get`.
pub(crate) fn identity(params: &AgentIdentity) -> Result<Value, ErrorShape> {
    let asked = params.agent_id.as_ref().map_or(DEFAULT_AGENT, |agent| agent.as_str());
    if asked != DEFAULT_AGENT {
        return Err(ErrorShape::invalid(format!("unknown agent id \"{asked}\"")));
    }
    Ok(json!({ "agentId": DEFAULT_AGENT, "name": "Tidegate", "nameSource": "default", "avatar": "T" }))
}

/// `agents.list`.
pub(crate) fn list(caller: &Caller) -> Result<Value, ErrorShape> {
    let workspace = caller.gateway.runtime()?.workspace().display().to_string();
    Ok(json!({
        "defaultId": DEFAULT_AGENT,
        "mainKey": "main",
        "scope": "per-sender",
        "agents": [{ "id": DEFAULT_AGENT, "name": "Tidegate", "workspace": workspace }],
    }))
}

/// `tools.catalog`.
pub(crate) fn tools(caller: &Caller) -> Result<Value, ErrorShape> {
    const GROUPS: [(&str, &str); 4] =
        [("fs", "Files"), ("runtime", "Runtime"), ("sessions", "Sessions"), ("agents", "Agents")];
    let catalog = caller.gateway.runtime()?.catalog();
    let groups: Vec<Value> = GROUPS
        .iter()
        .map(|(id, label)| {
            let tools: Vec<Value> = catalog
                .iter()
                .filter(|tool| tool.group == *id)
                .map(|tool| {
                    json!({
                        "id": tool.name, "label": tool.label, "description": tool.description,
                        "source": "core", "defaultProfiles": ["full"],
                    })
                })
                .collect();
            json!({ "id": id, "label": label, "source": "core", "tools": tools })
        })
        .collect();
    Ok(json!({ "agentId": DEFAULT_AGENT, "profiles": [{ "id": "full", "label": "Full" }], "groups": groups }))
}
