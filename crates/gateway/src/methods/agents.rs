//! The agent and its tools.

use tidegate_protocol::ids::DEFAULT_AGENT;
use tidegate_protocol::params::{AgentIdentity, Empty, ToolsCatalog};
use tidegate_protocol::payload::agents::{
    AgentEntry, AgentIdentityResult, AgentModel, AgentsListResult, ToolEntry, ToolGroup, ToolProfile,
    ToolsCatalogResult,
};
use tidegate_protocol::{ErrorShape, rpc};

use crate::dispatch::{Caller, Handler};

const NAME: &str = "Tidegate";

impl Handler for rpc::AgentIdentityGet {
    async fn handle(_: &Caller, _: AgentIdentity) -> Result<AgentIdentityResult, ErrorShape> {
        Ok(AgentIdentityResult {
            agent_id: DEFAULT_AGENT.to_owned(),
            name: NAME.to_owned(),
            name_source: "default".to_owned(),
            avatar: "T".to_owned(),
        })
    }
}

impl Handler for rpc::AgentsList {
    async fn handle(caller: &Caller, _: Empty) -> Result<AgentsListResult, ErrorShape> {
        let workspace = caller.gateway.runtime()?.workspace().display().to_string();
        let model = match caller.gateway.inner().models.get() {
            Some(models) => Some(AgentModel { primary: models.default_model().await.name().to_string() }),
            None => None,
        };
        Ok(AgentsListResult {
            default_id: DEFAULT_AGENT.to_owned(),
            main_key: "main".to_owned(),
            scope: "per-sender".to_owned(),
            agents: vec![AgentEntry {
                id: DEFAULT_AGENT.to_owned(),
                name: NAME.to_owned(),
                workspace,
                model,
            }],
        })
    }
}

impl Handler for rpc::ToolsCatalog {
    async fn handle(caller: &Caller, _: ToolsCatalog) -> Result<ToolsCatalogResult, ErrorShape> {
        const GROUPS: [(&str, &str); 4] =
            [("fs", "Files"), ("runtime", "Runtime"), ("sessions", "Sessions"), ("agents", "Agents")];
        let catalog = caller.gateway.runtime()?.catalog();
        let tools = |group: &str| {
            let tools = catalog.iter().filter(|tool| tool.group == group);
            tools
                .map(|tool| ToolEntry {
                    id: tool.name.to_owned(),
                    label: tool.label.to_owned(),
                    description: tool.description.to_owned(),
                    source: "core".to_owned(),
                    default_profiles: vec!["full".to_owned()],
                })
                .collect()
        };
        let groups = GROUPS.iter().map(|(id, label)| ToolGroup {
            id: (*id).to_owned(),
            label: (*label).to_owned(),
            source: "core".to_owned(),
            tools: tools(id),
        });
        Ok(ToolsCatalogResult {
            agent_id: DEFAULT_AGENT.to_owned(),
            profiles: vec![ToolProfile { id: "full".to_owned(), label: "Full".to_owned() }],
            groups: groups.collect(),
        })
    }
}
