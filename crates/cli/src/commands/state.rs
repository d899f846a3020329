//! `status`, `pause`, `resume`, `stop`.

use std::time::Duration;

use serde::Deserialize;
use tidegate_protocol::payload::surfaces::{SandboxLayer, SandboxStatus};
use tidegate_protocol::{Method, UnixMillis};

use super::{Context, nothing};
use crate::client::{Wire, read};
use crate::failure::Failure;
use crate::layout::{Fields, Table};
use crate::moments;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    version: String,
    pid: Option<u32>,
    state_dir: String,
    pub(super) url: Option<String>,
    uptime_ms: u64,
    gateway: Gateway,
    secrets: Option<Part>,
    store: Option<Part>,
    pub(super) models: Models,
    sandbox: Option<SandboxStatus>,
    paused: bool,
    active: Vec<ActiveRun>,
    set_aside_files: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Gateway {
    ready: bool,
    connections: u64,
    devices: u64,
    programs: u64,
    tokens: u64,
    blocked: u64,
    waiting_requests: u64,
    waiting_commands: u64,
    waiting_settings: u64,
    own_client: Option<OwnClient>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnClient {
    #[serde(default)]
    admitted_at_ms: Option<UnixMillis>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part {
    state: String,
    sentence: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Models {
    pub(super) default: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ActiveRun {
    session_key: String,
    label: Option<String>,
    activity: String,
    since: UnixMillis,
}

/// The whole state.
pub(super) async fn status<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let method = Method::TidegateStatus;
    let answer = context.client.call(method, nothing()).await?;
    let (now, has_desktop) = (context.now(), context.client.greeting().desktop);
    context.show(&answer, || Ok(render(&read(method.name(), answer.clone())?, has_desktop, now)))
}

fn layer_line(layer: &SandboxLayer) -> String {
    let state = match (layer.holds, layer.required) {
        (true, _) => "in force",
        (false, true) => "missing",
        (false, false) => "missing (optional)",
    };
    let reason = layer.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{} {state}{reason}", layer.name)
}

fn render(status: &Status, has_desktop: bool, now: UnixMillis) -> String {
    let gateway = &status.gateway;
    let state = match (gateway.ready, status.paused) {
        (false, _) => "starting",
        (true, true) => "paused; `tidegate resume` goes on",
        (true, false) => "ready",
    };
    let pid = status.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
    let mut fields = Fields::new();
    fields.add("State", state);
    fields.add("Running", &format!("for {}{pid}", moments::span(Duration::from_millis(status.uptime_ms))));
    fields.add_some("Address", status.url.as_deref());
    fields.add("State directory", &status.state_dir);
    fields.add("You decide", if has_desktop { "in Tidegate's dialog" } else { "here, with this command" });
    fields.add_some("Model", status.models.default.as_deref());
    for (name, part) in [("Database", &status.store), ("Secrets", &status.secrets)] {
        if let Some(part) = part {
            let sentence = part.sentence.as_deref().filter(|sentence| !sentence.is_empty());
            fields.add(
                name,
                &sentence.map_or(part.state.clone(), |sentence| format!("{}: {sentence}", part.state)),
            );
        }
    }
    if let Some(sandbox) = &status.sandbox {
        fields.add("Sandbox", &sandbox.sentence);
        fields.add_some("", sandbox.todo.as_deref());
        for layer in &sandbox.layers {
            fields.add("", &layer_line(layer));
        }
    }
    fields.add("Connections", &gateway.connections.to_string());
    fields.add("Known", &known(gateway));
    if let Some(own) = &gateway.own_client {
        let admitted = own.admitted_at_ms.map(|at| moments::ago(now, at));
        let admitted = admitted.map_or("not let in yet".to_owned(), |ago| format!("let in {ago}"));
        fields.add("Subagent client", &admitted);
    }
    let mut text = format!("Tidegate {}\n{}", status.version, fields.render());
    if gateway.waiting_requests > 0 {
        text.push_str(&format!(
            "\n{} to be let in: `tidegate devices list`\n",
            count(gateway.waiting_requests, "request waits", "requests wait")
        ));
    }
    if gateway.waiting_commands > 0 {
        text.push_str(&format!(
            "\n{} for a decision: `tidegate approvals list`\n",
            count(gateway.waiting_commands, "question of an agent waits", "questions of agents wait")
        ));
    }
    if gateway.waiting_settings > 0 {
        text.push_str(&format!(
            "\n{} for you: `tidegate config list`\n",
            count(
                gateway.waiting_settings,
                "value of the configuration waits",
                "values of the configuration wait"
            )
        ));
    }
    if status.set_aside_files > 0 {
        text.push_str(&format!(
            "\n{} set aside: `tidegate files list`\n",
            count(
                status.set_aside_files,
                "file that a command planted is",
                "files that commands planted are"
            )
        ));
    }
    if !status.active.is_empty() {
        let mut table = Table::new(&["SINCE", "STATE", "NAME", "SESSION"]);
        for run in &status.active {
            let label = run.label.as_deref().unwrap_or("-");
            table.row([&moments::ago(now, run.since), &run.activity, label, &run.session_key]);
        }
        text.push_str(&format!("\n{}", table.render()));
    }
    text
}

fn known(gateway: &Gateway) -> String {
    let mut parts = vec![
        count(gateway.devices, "device", "devices"),
        count(gateway.programs, "program", "programs"),
        count(gateway.tokens, "program token", "program tokens"),
    ];
    if gateway.blocked > 0 {
        parts.push(format!("{} blocked", gateway.blocked));
    }
    parts.join(", ")
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Holds everything that would start, or lets it go on.
pub(super) async fn pause<W: Wire>(context: &mut Context<'_, W>, on: bool) -> Result<(), Failure> {
    let method = if on { Method::TidegatePause } else { Method::TidegateResume };
    let answer = context.client.call(method, nothing()).await?;
    let sentence =
        if on { "Paused: no model call and no tool starts until `tidegate resume`." } else { "Going on." };
    context.done(&answer, sentence)
}

/// Stops the gateway. It may be gone before it answers.
pub(super) async fn stop<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let answer = match context.client.call(Method::TidegateStop, nothing()).await {
        Err(Failure::ConnectionClosed) => nothing(),
        result => result?,
    };
    context.done(&answer, "Tidegate stops.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_leads_with_what_matters_and_ends_with_what_waits() {
        let answer = serde_json::json!({
            "version": "0.1.0", "pid": 42, "stateDir": "/home/a/.local/share/tidegate", "port": 18790,
            "url": "ws://127.0.0.1:18790", "uptimeMs": 7_300_000,
            "gateway": {
                "ready": true, "connections": 3, "devices": 1, "programs": 0, "tokens": 2, "blocked": 1,
                "waitingRequests": 1, "waitingCommands": 2, "waitingSettings": 1, "ownClient": { "deviceId": "x", "admittedAtMs": 1000 },
            },
            "secrets": { "state": "memory", "sentence": "No keyring answers, so keys are kept until Tidegate quits." },
            "store": { "state": "ok", "sentence": null },
            "models": { "default": "ollama/qwen3", "list": [] },
            "paused": false,
            "active": [{
                "runId": "r1", "sessionKey": "agent:main:main\n", "parent": null, "label": null,
                "since": 61_000, "activity": "working",
            }],
        });

        let text = render(&serde_json::from_value(answer).unwrap(), false, UnixMillis(121_000));

        assert_eq!(
            text,
            "Tidegate 0.1.0\n  \
               State            ready\n  \
               Running          for 2 h, process 42\n  \
               Address          ws://127.0.0.1:18790\n  \
               State directory  /home/a/.local/share/tidegate\n  \
               You decide       here, with this command\n  \
               Model            ollama/qwen3\n  \
               Database         ok\n  \
               Secrets          memory: No keyring answers, so keys are kept until Tidegate quits.\n  \
               Connections      3\n  \
               Known            1 device, 0 programs, 2 program tokens, 1 blocked\n  \
               Subagent client  let in 2 min ago\n\
             \n1 request waits to be let in: `tidegate devices list`\n\
             \n2 questions of agents wait for a decision: `tidegate approvals list`\n\
             \n1 value of the configuration waits for you: `tidegate config list`\n\
             \nSINCE      STATE    NAME  SESSION\n\
             1 min ago  working  -     agent:main:main\\u{a}\n"
        );
    }
}
