//! The agent, its tools and its models.

objects! {
    /// `agent.identity.get`.
    AgentIdentityResult {
        agent_id: String,
        name: String,
        name_source: String,
        avatar: String,
    }
    /// The model of an agent. The Control UI lets nobody write to an agent that has none.
    AgentModel {
        /// `provider/model`.
        primary: String,
    }
    /// One of our agents.
    AgentEntry {
        id: String,
        name: String,
        workspace: String,
        model: Option<AgentModel>,
    }
    /// `agents.list`.
    AgentsListResult {
        default_id: String,
        main_key: String,
        scope: String,
        agents: Vec<AgentEntry>,
    }
    /// One of the tools that agents have.
    ToolEntry {
        id: String,
        label: String,
        description: String,
        source: String,
        default_profiles: Vec<String>,
    }
    /// Tools that belong together.
    ToolGroup {
        id: String,
        label: String,
        source: String,
        tools: Vec<ToolEntry>,
    }
    /// A choice of tools.
    ToolProfile {
        id: String,
        label: String,
    }
    /// `tools.catalog`.
    ToolsCatalogResult {
        agent_id: String,
        profiles: Vec<ToolProfile>,
        groups: Vec<ToolGroup>,
    }
    /// One of the models that can be chosen.
    ModelListEntry {
        id: String,
        name: String,
        provider: String,
        context_window: Option<u32>,
        reasoning: bool,
        available: bool,
        /// `default` is among them for the model that is used when nobody chooses, `found` for one of
        /// a server on this computer that was not taken into use: such a model is not available.
        tags: Vec<String>,
    }
    /// `models.list`.
    ModelsListResult {
        models: Vec<ModelListEntry>,
    }
}
