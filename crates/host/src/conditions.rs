//! What is missing though everything serves, as sentences, and noticing that it changed.

use std::sync::Arc;
use std::time::Duration;

use tidegate_protocol::text::sentence;
use tidegate_secrets::SecretState;
use tidegate_store::{Store, StoreError};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::control::Control;
use crate::process_context::held;
use crate::running::RunningHost;

/// How often is looked at what tells no one when it changes: files.
const LOOK: Duration = Duration::from_mins(1);

/// Every condition, worst first.
pub(crate) fn degraded(control: &Control, store: &Store) -> Vec<String> {
    let mut sentences = Vec::new();
    if !matches!(control.store_state.state, "ok" | "new") {
        sentences.push(control.store_state.sentence.clone());
    }
    if let Some(error) = store.trouble().borrow().as_ref() {
        sentences.push(sentence(&error.to_string()));
    }
    sentences.extend(held(&control.local_socket).as_ref().map(|missing| missing.sentence.clone()));
    sentences.extend(tool_runner(control));
    sentences.extend(control.workspaces.problem());
    sentences.extend(control.repairs.sentences());
    sentences.extend(configuration(control));
    let secrets = control.secrets.state();
    if !matches!(secrets, SecretState::Available | SecretState::NotProbed) {
        sentences.push(format!("{} {}", secrets.sentence(), secrets.advice()));
    }
    sentences
}

/// What is wrong with the configuration file.
pub(crate) fn configuration(control: &Control) -> Option<String> {
    let problems = &control.loaded.problems;
    (!problems.is_empty()).then(|| {
        let file = control.config_path.display();
        format!("{file} is not valid, so the last good one is used: {}.", problems.join("; "))
    })
}

/// What is wrong with the program that runs tools.
pub(crate) fn tool_runner(control: &Control) -> Option<String> {
    let runner = &control.tool_runner;
    (!runner.is_file()).then(|| {
        format!(
            "Agents cannot use tools: the program that runs them, {}, is missing. Install Tidegate again.",
            runner.display()
        )
    })
}

/// Notices changes of the conditions of one host.
pub(crate) struct Conditions {
    host: Arc<RunningHost>,
    secrets: watch::Receiver<SecretState>,
    store: watch::Receiver<Option<StoreError>>,
    looks: Interval,
}

impl Conditions {
    pub(crate) fn of(host: Arc<RunningHost>) -> Self {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.reset();
        let (secrets, store) = (host.services.control.secrets.watch(), host.services.store.trouble());
        Self { host, secrets, store, looks }
    }

    pub(crate) fn sentences(&self) -> Vec<String> {
        self.host.degraded()
    }

    /// Waits until they may have changed.
    pub(crate) async fn changed(&mut self) {
        tokio::select! {
            // A sender that is gone says nothing more.
            Ok(()) = self.secrets.changed() => {}
            Ok(()) = self.store.changed() => {}
            _ = self.looks.tick() => {}
        }
    }
}
