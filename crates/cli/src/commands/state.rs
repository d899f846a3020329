//! `status`, `pause`, `resume`, `stop`.

use std::time::Duration;

use tidegate_protocol::params::Empty;
use tidegate_protocol::payload::surfaces::{
    GatewayStatus, SandboxLayer, StoppingResult, TidegateStatusResult,
};
use tidegate_protocol::{UnixMillis, rpc};

use super::Context;
use crate::client::Wire;
use crate::failure::Failure;
use crate::layout::{Fields, Table};
use crate::times;

/// The whole state.
pub(super) async fn status<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let has_desktop = context.client.greeting().desktop;
    let render = |status: &TidegateStatusResult, now| render(status, has_desktop, now);
    context.ask_and_show::<rpc::TidegateStatus>(&Empty {}, render).await
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

fn render(status: &TidegateStatusResult, has_desktop: bool, now: UnixMillis) -> String {
    let gateway = &status.gateway;
    let state = match (gateway.ready, status.paused) {
        (false, _) => "starting",
        (true, true) => "paused; `tidegate resume` goes on",
        (true, false) => "ready",
    };
    let mut fields = Fields::new();
    fields.add("State", state);
    let span = times::span(Duration::from_millis(status.uptime_ms));
    fields.add("Running", &format!("for {span}, process {}", status.pid));
    fields.add("Address", &status.url);
    fields.add("State directory", &status.state_dir);
    fields.add("You decide", if has_desktop { "in Tidegate's dialog" } else { "here, with this command" });
    fields.add_some("Model", Some(&status.models.default));
    for (name, part) in [("Database", &status.store), ("Secrets", &status.secrets)] {
        match part.sentence.as_str() {
            "" => fields.add(name, &part.state),
            sentence => fields.add(name, &format!("{}: {sentence}", part.state)),
        }
    }
    fields.add("Sandbox", &status.sandbox.sentence);
    fields.add_some("", status.sandbox.todo.as_deref());
    for layer in &status.sandbox.layers {
        fields.add("", &layer_line(layer));
    }
    fields.add("Connections", &gateway.connections.to_string());
    fields.add("Known", &known(gateway));
    if let Some(own) = &gateway.own_client {
        let admitted = own.admitted_at_ms.map(|at| times::ago(now, at));
        let admitted = admitted.map_or("not admitted yet".to_owned(), |ago| format!("admitted {ago}"));
        fields.add("Subagent client", &admitted);
    }
    let mut text = format!("Tidegate {}\n{}", status.version, fields.render());
    push_notes(&mut text, status);
    if !status.active.is_empty() {
        let mut table = Table::new(&["SINCE", "STATE", "NAME", "SESSION"]);
        for run in &status.active {
            let label = run.label.as_deref().unwrap_or("-");
            let activity = run.activity.name();
            table.row([&times::ago(now, run.since), activity, label, run.session_key.as_str()]);
        }
        text.push_str(&format!("\n{}", table.render()));
    }
    text
}

/// What waits for the person, and what they are not asked about.
fn push_notes(text: &mut String, status: &TidegateStatusResult) {
    let gateway = &status.gateway;
    let notes = [
        (gateway.waiting_requests, "pairing request waits", "pairing requests wait", "devices"),
        (
            gateway.waiting_commands,
            "request of an agent waits for a decision",
            "requests of agents wait for a decision",
            "approvals",
        ),
        (
            gateway.unasked,
            "command ran contained without asking you",
            "commands ran contained without asking you",
            "permissions",
        ),
        (
            gateway.waiting_settings,
            "value of the configuration waits for you",
            "values of the configuration wait for you",
            "config",
        ),
        (
            status.set_aside_files,
            "file that a command planted is set aside",
            "files that commands planted are set aside",
            "files",
        ),
    ];
    for (number, one, many, command) in notes.into_iter().filter(|(number, ..)| *number > 0) {
        text.push_str(&format!("\n{}: `tidegate {command} list`\n", count(number, one, many)));
    }
    if gateway.ask_everything {
        text.push_str("\nYou are asked about everything: `tidegate permissions use` ends that\n");
    }
}

fn known(gateway: &GatewayStatus) -> String {
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
    match on {
        true => {
            let sentence = "Paused: no model call and no tool starts until `tidegate resume`.";
            context.ask_and_say::<rpc::TidegatePause>(&Empty {}, sentence).await
        }
        false => context.ask_and_say::<rpc::TidegateResume>(&Empty {}, "Going on.").await,
    }
}

/// Stops the gateway. It may be gone before it answers.
pub(super) async fn stop<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let answer = match context.client.ask::<rpc::TidegateStop>(&Empty {}).await {
        Err(Failure::ConnectionClosed) => StoppingResult { stopping: true },
        result => result?,
    };
    context.done(&answer, "Tidegate stops.", None)
}

#[cfg(test)]
mod tests {
    use tidegate_protocol::payload::surfaces::{
        ActiveRun, Condition, ModelsStatus, OwnClient, RunActivity, SandboxStatus,
    };
    use tidegate_protocol::{DeviceId, RunId, SessionKey};

    use super::*;

    #[test]
    fn the_status_leads_with_what_matters_and_ends_with_what_waits() {
        let condition = |state: &str, sentence: &str| Condition {
            state: state.to_owned(),
            sentence: sentence.to_owned(),
        };
        let status = TidegateStatusResult {
            version: "0.1.0".to_owned(),
            pid: 42,
            state_dir: "/home/a/.local/share/tidegate".to_owned(),
            port: 18790,
            url: "ws://127.0.0.1:18790".to_owned(),
            uptime_ms: 7_300_000,
            gateway: GatewayStatus {
                ready: true,
                connections: 3,
                devices: 1,
                programs: 0,
                tokens: 2,
                blocked: 1,
                waiting_requests: 1,
                waiting_commands: 2,
                unasked: 1,
                ask_everything: true,
                waiting_settings: 1,
                own_client: Some(OwnClient {
                    device_id: DeviceId::parse(&"0".repeat(64)).unwrap(),
                    admitted_at_ms: Some(UnixMillis(1000)),
                }),
            },
            secrets: condition("memory", "No keyring answers, so keys are kept until Tidegate quits."),
            own_key: None,
            store: condition("ok", ""),
            models: ModelsStatus { default: "ollama/qwen3".to_owned(), offline: false },
            sandbox: SandboxStatus {
                contained: true,
                sentence: "Commands run in a sandbox.".to_owned(),
                todo: None,
                layers: vec![SandboxLayer {
                    name: "cgroups".to_owned(),
                    required: false,
                    holds: false,
                    reason: Some("not delegated".to_owned()),
                }],
                toolchains: vec![],
            },
            paused: false,
            degraded: vec![],
            active: vec![ActiveRun {
                run_id: RunId::parse("r1").unwrap(),
                session_key: SessionKey::parse("main").unwrap(),
                parent: None,
                label: Some("a\nb".to_owned()),
                since: UnixMillis(61_000),
                activity: RunActivity::Working,
            }],
            set_aside_files: 0,
            desktop: None,
        };

        let text = render(&status, false, UnixMillis(121_000));

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
               Sandbox          Commands run in a sandbox.\n  \
               \x20                cgroups missing (optional): not delegated\n  \
               Connections      3\n  \
               Known            1 device, 0 programs, 2 program tokens, 1 blocked\n  \
               Subagent client  admitted 2 min ago\n\
             \n1 pairing request waits: `tidegate devices list`\n\
             \n2 requests of agents wait for a decision: `tidegate approvals list`\n\
             \n1 command ran contained without asking you: `tidegate permissions list`\n\
             \n1 value of the configuration waits for you: `tidegate config list`\n\
             \nYou are asked about everything: `tidegate permissions use` ends that\n\
             \nSINCE      STATE    NAME     SESSION\n\
             1 min ago  working  a\\u{a}b  agent:main:main\n"
        );
    }
}
