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

/// Runs all checks, in the order in which they are shown.
pub(crate) async fn checks(control: &Control) -> DoctorResult {
    let mut checks = Vec::new();
    let mut add = |name: &str, level: CheckLevel, sentence: String, todo: Option<String>| {
        let ok = level != CheckLevel::Fail;
        checks.push(DoctorCheck { name: name.to_owned(), ok, level, sentence, todo });
    };
    match control.parts.get() {
        Some(parts) if parts.gateway.get().is_some_and(|gateway| gateway.is_ready()) => {
            add(
                "gateway",
                CheckLevel::Ok,
                format!("The gateway listens on ws://127.0.0.1:{}.", parts.port),
                None,
            );
        }
        _ => add(
            "gateway",
            CheckLevel::Fail,
            "The gateway does not serve.".to_owned(),
            Some("Restart Tidegate.".to_owned()),
        ),
    }
    if let Some(parts) = control.parts.get() {
        match parts.subagents.connect().await {
            Ok(()) => add(
                "subagent client",
                CheckLevel::Ok,
                "Tidegate's own client is admitted without a prompt.".to_owned(),
                None,
            ),
            Err(error) => add(
                "subagent client",
                CheckLevel::Fail,
                format!("Tidegate's own client is not admitted: {error}."),
                Some("This is a defect; please report it with the log.".to_owned()),
            ),
        }
    }
    let store = &control.store_state;
    match store.state {
        "ok" | "new" => add("store", CheckLevel::Ok, store.sentence.clone(), None),
        "quarantined" => {
            let todo =
                "Keep the file that was moved aside until you know that nothing in it is missed.".to_owned();
            add("store", CheckLevel::Warn, store.sentence.clone(), Some(todo));
        }
        _ => add(
            "store",
            CheckLevel::Fail,
            store.sentence.clone(),
            Some("Make the directory writable or free some space, then restart Tidegate.".to_owned()),
        ),
    }
    if let Some(error) = control.parts.get().and_then(|parts| parts.store.trouble().borrow().clone()) {
        add(
            "saving",
            CheckLevel::Fail,
            error.to_string(),
            Some("Free some space, or make the disk writable.".to_owned()),
        );
    }
    if !control.orphans.is_empty() {
        let sentence = format!(
            "Commands of agents were still running from before the start, and were ended: {}.",
            survivors::names(&control.orphans)
        );
        add("commands", CheckLevel::Warn, sentence, None);
    }
    if let Some(missing) = held(&control.local_socket).clone() {
        add("local socket", CheckLevel::Fail, missing.sentence, missing.todo.map(str::to_owned));
    }
    for sentence in control.repairs.sentences() {
        add(
            "files",
            CheckLevel::Warn,
            sentence,
            Some("Find out what changed it, then restart Tidegate.".to_owned()),
        );
    }
    match conditions::tool_runner(control) {
        Some(sentence) => {
            add("tools", CheckLevel::Fail, sentence, Some("Install Tidegate again.".to_owned()))
        }
        None => add("tools", CheckLevel::Ok, "The program that runs tools is there.".to_owned(), None),
    }
    let sandbox = sandbox::status(&control.sandboxes, &control.launcher).await;
    add(
        "sandbox",
        if sandbox.contained { CheckLevel::Ok } else { CheckLevel::Warn },
        sandbox.sentence,
        sandbox.todo,
    );
    let secrets = control.secrets.state();
    let level = if secrets == SecretState::Available { CheckLevel::Ok } else { CheckLevel::Warn };
    let todo = (level != CheckLevel::Ok).then(|| secrets.advice().to_owned());
    add("keyring", level, secrets.sentence().to_owned(), todo);
    match control.loaded.problems.is_empty() {
        true => add("configuration", CheckLevel::Ok, "The configuration is valid.".to_owned(), None),
        false => add(
            "configuration",
            CheckLevel::Warn,
            format!(
                "{} is not valid, so the last good one is used: {}.",
                control.config_path.display(),
                control.loaded.problems.join("; ")
            ),
            Some("Correct the file and restart Tidegate.".to_owned()),
        ),
    }
    if let Some(parts) = control.parts.get() {
        let folder = parts.runtime.workspace();
        let folder = text::one_line(&folder.to_string_lossy(), 400);
        match control.workspaces.problem() {
            Some(sentence) => add(
                "workspace",
                CheckLevel::Warn,
                format!("{sentence} Agents work in {folder}."),
                Some(format!("Correct the folder in {}.", control.config_path.display())),
            ),
            None => add("workspace", CheckLevel::Ok, format!("Agents work in {folder}."), None),
        }
    }
    for shown in control.settings() {
        let key = shown.proposed.setting.path();
        match shown.state {
            SettingState::Waiting => add(
                "policy",
                CheckLevel::Warn,
                format!(
                    "{key} in the configuration would loosen or redirect, so it is not applied: it waits for you."
                ),
                Some(format!(
                    "`tidegate config confirm {key}` shows it, and `tidegate config reject {key}` refuses it."
                )),
            ),
            SettingState::Confirmed => {
                add("policy", CheckLevel::Ok, format!("{key} is applied: you confirmed it."), None)
            }
            SettingState::Rejected => {
                let sentence = format!("{key} in the configuration is not applied: you rejected it.");
                add("policy", CheckLevel::Ok, sentence, None);
            }
        }
    }
    for refused in &control.loaded.policy.refused {
        add(
            "policy",
            CheckLevel::Warn,
            format!("{} in the configuration is not applied. {}", refused.path, refused.reason),
            Some(format!("Remove it from {}.", control.config_path.display())),
        );
    }
    let found = control.models.directory.found().await;
    for found in &found {
        let (provider, server) = (found.server.kind.provider_id(), &found.server);
        let who = format!("{provider}, on port {}, is run by {}.", server.address.port(), server.owner);
        match server.chat_models().next().filter(|_| !found.is_in_use) {
            None => add("model server", CheckLevel::Ok, who, None),
            Some(model) => add(
                "model server",
                CheckLevel::Ok,
                format!("{who} It was found on this computer and is not in use."),
                Some(format!("`tidegate models use {provider}/{model}` takes it into use.")),
            ),
        }
    }
    let model = control.models.directory.default_model().await.name();
    if model.provider == "offline" {
        add(
            "model",
            CheckLevel::Warn,
            "No model is connected: answers come from the built-in demo, which has no intelligence."
                .to_owned(),
            Some(
                "Start Ollama, LM Studio or llama.cpp and choose one of its models with `tidegate models use`, or \
                 add a provider with `tidegate models add`."
                    .to_owned(),
            ),
        );
    } else {
        add("model", CheckLevel::Ok, format!("Answers come from {model}."), None);
    }
    if !environment::has_display() {
        let sentence =
            "There is no display: `tidegate devices` and `tidegate approvals` are the place to decide.";
        add("desktop", CheckLevel::Ok, sentence.to_owned(), None);
    }
    DoctorResult { checks }
}
