//! Checks of every part, each with a sentence and, where something is wrong, what to do.

use tidegate_agent::model::ModelDirectory as _;
use tidegate_protocol::payload::surfaces::{CheckLevel, DoctorCheck, DoctorResult};
use tidegate_protocol::text;
use tidegate_secrets::SecretState;
use tidegate_trust::settings::SettingState;

use crate::conditions;
use crate::control::Control;
use crate::environment;
use crate::process_context::held;
use crate::sandbox;
use crate::survivors;

#[derive(Default)]
struct Checks(Vec<DoctorCheck>);

impl Checks {
    fn add(&mut self, name: &str, level: CheckLevel, sentence: impl Into<String>, todo: Option<String>) {
        let (name, ok, sentence) = (name.to_owned(), level != CheckLevel::Fail, sentence.into());
        self.0.push(DoctorCheck { name, ok, level, sentence, todo });
    }

    fn ok(&mut self, name: &str, sentence: impl Into<String>) {
        self.add(name, CheckLevel::Ok, sentence, None);
    }

    fn warn(&mut self, name: &str, sentence: impl Into<String>, todo: impl Into<String>) {
        self.add(name, CheckLevel::Warn, sentence, Some(todo.into()));
    }

    fn fail(&mut self, name: &str, sentence: impl Into<String>, todo: impl Into<String>) {
        self.add(name, CheckLevel::Fail, sentence, Some(todo.into()));
    }
}

/// Runs all checks, in the order in which they are shown.
pub(crate) async fn checks(control: &Control) -> DoctorResult {
    let mut checks = Checks::default();
    gateway_and_store(control, &mut checks).await;
    commands_and_files(control, &mut checks).await;
    configuration(control, &mut checks);
    models(control, &mut checks).await;
    if !environment::has_display() {
        let sentence =
            "There is no display: `tidegate devices` and `tidegate approvals` are the place to decide.";
        checks.ok("desktop", sentence);
    }
    DoctorResult { checks: checks.0 }
}

async fn gateway_and_store(control: &Control, checks: &mut Checks) {
    let parts = control.parts.get();
    match parts.filter(|parts| parts.gateway.get().is_some_and(|gateway| gateway.is_ready())) {
        Some(parts) => {
            checks.ok("gateway", format!("The gateway listens on ws://127.0.0.1:{}.", parts.port));
        }
        None => checks.fail("gateway", "The gateway does not serve.", "Restart Tidegate."),
    }
    if let Some(parts) = parts {
        match parts.subagents.connect().await {
            Ok(()) => {
                checks.ok("subagent client", "Tidegate's own client is admitted without a prompt.");
            }
            Err(error) => {
                let sentence = format!("Tidegate's own client is not admitted: {error}.");
                let todo = "This is a defect; please report it with the log.";
                checks.fail("subagent client", sentence, todo);
            }
        }
    }
    let sentence = control.store_state.sentence.as_str();
    match control.store_state.state {
        "ok" | "new" => checks.ok("store", sentence),
        "quarantined" => {
            let todo = "Keep the file that was moved aside until you know that nothing in it is missed.";
            checks.warn("store", sentence, todo);
        }
        _ => {
            let todo = "Make the directory writable or free some space, then restart Tidegate.";
            checks.fail("store", sentence, todo);
        }
    }
    if let Some(error) = parts.and_then(|parts| parts.store.trouble().borrow().clone()) {
        checks.fail("saving", error.to_string(), "Free some space, or make the disk writable.");
    }
}

async fn commands_and_files(control: &Control, checks: &mut Checks) {
    if !control.orphans.is_empty() {
        let sentence = format!(
            "Commands of agents were still running from before the start, and were ended: {}.",
            survivors::names(&control.orphans)
        );
        checks.add("commands", CheckLevel::Warn, sentence, None);
    }
    if let Some(missing) = held(&control.local_socket).clone() {
        let todo = missing.todo.map(str::to_owned);
        checks.add("local socket", CheckLevel::Fail, missing.sentence, todo);
    }
    for sentence in control.repairs.sentences() {
        checks.warn("files", sentence, "Find out what changed it, then restart Tidegate.");
    }
    match conditions::tool_runner(control) {
        Some(sentence) => checks.fail("tools", sentence, "Install Tidegate again."),
        None => checks.ok("tools", "The program that runs tools is there."),
    }
    let sandbox = sandbox::status(&control.sandboxes, &control.launcher).await;
    let level = if sandbox.contained { CheckLevel::Ok } else { CheckLevel::Warn };
    checks.add("sandbox", level, sandbox.sentence, sandbox.todo);
    match control.secrets.state() {
        secrets @ SecretState::Available => checks.ok("keyring", secrets.sentence()),
        secrets => checks.warn("keyring", secrets.sentence(), secrets.advice()),
    }
}

fn configuration(control: &Control, checks: &mut Checks) {
    let file = control.config_path.display();
    match conditions::configuration(control) {
        None => checks.ok("configuration", "The configuration is valid."),
        Some(sentence) => {
            checks.warn("configuration", sentence, "Correct the file and restart Tidegate.");
        }
    }
    if let Some(parts) = control.parts.get() {
        let works =
            format!("Agents work in {}.", text::one_line(&parts.runtime.workspace().to_string_lossy(), 400));
        match control.workspaces.problem() {
            Some(sentence) => {
                let todo = format!("Correct the folder in {file}.");
                checks.warn("workspace", format!("{sentence} {works}"), todo);
            }
            None => checks.ok("workspace", works),
        }
    }
    for shown in control.settings() {
        let key = shown.proposed.setting.path();
        match shown.state {
            SettingState::Waiting => checks.warn(
                "policy",
                format!(
                    "{key} in the configuration would loosen or redirect, so it is not applied: it waits for you."
                ),
                format!(
                    "`tidegate config confirm {key}` shows it, and `tidegate config reject {key}` refuses it."
                ),
            ),
            SettingState::Confirmed => checks.ok("policy", format!("{key} is applied: you confirmed it.")),
            SettingState::Rejected => {
                checks.ok("policy", format!("{key} in the configuration is not applied: you rejected it."));
            }
        }
    }
    for refused in &control.loaded.policy.refused {
        let sentence = format!("{} in the configuration is not applied. {}", refused.path, refused.reason);
        checks.warn("policy", sentence, format!("Remove it from {file}."));
    }
}

async fn models(control: &Control, checks: &mut Checks) {
    for found in &control.models.directory.found().await {
        let (provider, server) = (found.server.kind.provider_id(), &found.server);
        let who = format!("{provider}, on port {}, is run by {}.", server.address.port(), server.owner);
        match server.chat_models().next().filter(|_| !found.is_in_use) {
            None => checks.ok("model server", who),
            Some(model) => {
                let sentence = format!("{who} It was found on this computer and is not in use.");
                let todo = format!("`tidegate models use {provider}/{model}` takes it into use.");
                checks.add("model server", CheckLevel::Ok, sentence, Some(todo));
            }
        }
    }
    let model = control.models.directory.default_model().await.name();
    if model.provider != "offline" {
        return checks.ok("model", format!("Answers come from {model}."));
    }
    checks.warn(
        "model",
        "No model is connected: answers come from the built-in demo, which has no intelligence.",
        "Start Ollama, LM Studio or llama.cpp and choose one of its models with `tidegate models use`, or add a \
         provider with `tidegate models add`.",
    );
}
