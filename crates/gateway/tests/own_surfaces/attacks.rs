//! A page that was taken over, a program that starts the command line, and the agent's own client
//! try every method of the table with everything that could let someone in. A method that is new is
//! tried by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_agent::approval::ApprovalAnswer;
use tidegate_agent::subagent::SubagentGateway as _;
use tidegate_protocol::Method;
use tidegate_protocol::method::Power;
use tidegate_trust::Level;
use tidegate_trust::decision::Desktop;
use tokio::task::JoinHandle;

use crate::session_workspaces::{SITE, digest, has_site};
use crate::support::{Attacker, World};

/// What an attacker would like to widen.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) request: String,
    digest: String,
    pub(crate) command: String,
    block: String,
    device: String,
    token: String,
    setting: String,
    setting_digest: String,
    /// What becomes of the command.
    asked: JoinHandle<ApprovalAnswer>,
}

/// What was given to others. It must not grow, blocks must not shrink.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    devices: BTreeSet<String>,
    programs: BTreeSet<String>,
    tokens: BTreeSet<String>,
    blocked: BTreeSet<String>,
    settings: BTreeSet<String>,
}

fn ids(list: &Value, name: &str) -> BTreeSet<String> {
    let list = list.as_array().unwrap();
    list.iter().map(|entry| format!("{} {}", entry[name], entry["scopes"])).collect()
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let world = World::start_proposing(Desktop::Running, &["https://ui.example"]).await;
        world.let_in(1, &["operator.approvals", "operator.read"]).await;
        has_site(&world);
        let asked = world.ask_for_a_run().await;
        let command = world.desktop().commands()[0].id.clone();
        let mut command_line = world.command_line().await;
        let blocked = world.request_pairing(&world.device(3, &["operator.admin"])).await;
        let verdict = json!({ "requestId": blocked.id, "verdict": "block" });
        command_line.call("tidegate.devices.decide", verdict).await.unwrap();
        world.desktop().new_token("kept", Level::Read, false).await.unwrap();
        let request = world.request_pairing(&world.device(2, &["operator.admin", "operator.pairing"])).await;
        let list = command_line.call("device.pair.list", json!({})).await.unwrap();
        let tokens = command_line.call("tidegate.token.list", json!({})).await.unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let setting = &world.desktop().settings()[0];
        Self {
            setting: setting.id(),
            setting_digest: setting.proposed.digest(),
            request: request.id.clone(),
            digest: request.details.digest(),
            command,
            block: text(&list["blocked"][0]["id"]),
            device: text(&list["paired"][0]["deviceId"]),
            token: text(&tokens["tokens"][0]["id"]),
            world,
            asked,
        }
    }

    /// Everything that a caller could send to let someone in.
    pub(crate) fn attempts(&self) -> Vec<Value> {
        let Self { request, command, block, device, token, setting, setting_digest, .. } = self;
        let key = "gateway.controlUi.allowedOrigins";
        let decide = |more: Value| {
            let mut params = json!({ "requestId": request, "verdict": "approve" });
            params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            params
        };
        let all = ["operator.admin", "operator.pairing", "operator.read"];
        let mut attempts = vec![
            json!({}),
            json!({ "requestId": request }),
            decide(json!({})),
            decide(json!({ "digest": self.digest })),
            decide(json!({ "level": "full", "pairing": true, "duration": "always" })),
            decide(json!({ "scopes": all, "duration": "until-quit" })),
            decide(json!({ "duration": "once" })),
            json!({ "id": command, "decision": "allow-once" }),
            json!({ "id": command, "decision": "allow-always" }),
            json!({ "name": "mine", "level": "full", "pairing": true }),
            json!({ "deviceId": device }),
            json!({ "deviceId": device, "label": "The person's own phone" }),
            json!({ "deviceId": device, "role": "operator" }),
            json!({ "deviceId": device, "role": "operator", "scopes": all }),
            json!({ "id": "mine", "baseUrl": "http://127.0.0.1:9", "key": "k" }),
            json!({ "model": "ollama/mine" }),
            json!({ "id": "mine" }),
            json!({ "id": "mine", "digest": "abcd" }),
            json!({ "model": "ollama/mine", "owner": "/usr/bin/ollama (process 12, user 998)" }),
            json!({ "key": "agent:main:main", "execPolicy": "allow", "elevatedLevel": "full" }),
        ];
        attempts.extend([
            json!({ "key": "main", "folder": SITE, "digest": digest("main") }),
            json!({ "kind": "workspace", "key": "main", "folder": SITE }),
            json!({ "key": key }),
            json!({ "key": key, "digest": setting_digest }),
            json!({ "key": key, "digest": setting_digest, "value": ["*"] }),
            json!({ "key": "gateway.bind", "digest": setting_digest }),
        ]);
        attempts.extend([request, command, block, device, token, setting].map(|id| json!({ "id": id })));
        attempts
    }

    pub(crate) async fn granted(&self) -> Granted {
        let mut command_line = self.world.command_line().await;
        let list = command_line.call("device.pair.list", json!({})).await.unwrap();
        let tokens = command_line.call("tidegate.token.list", json!({})).await.unwrap();
        Granted {
            devices: ids(&list["paired"], "deviceId"),
            programs: ids(&tokens["programs"], "id"),
            tokens: ids(&tokens["tokens"], "id"),
            blocked: ids(&list["blocked"], "id"),
            settings: {
                let list = command_line.call("tidegate.config.list", json!({})).await.unwrap();
                let settings = list["settings"].as_array().unwrap().clone();
                settings.iter().map(|shown| format!("{} {}", shown["key"], shown["present"])).collect()
            },
        }
    }

    /// The stranger and the command still wait, and no session has a folder: nobody decided.
    pub(crate) fn assert_undecided(&self, after: &str) {
        let requests = self.world.desktop().requests();
        assert!(requests.iter().any(|waiting| waiting.id == self.request), "{after}");
        let commands = self.world.desktop().commands();
        assert!(commands.iter().any(|waiting| waiting.id == self.command), "{after}");
        let settings = self.world.desktop().settings();
        assert!(settings.iter().any(|waiting| waiting.id() == self.setting), "{after}");
        assert!(self.world.host.agents_write.lock().unwrap().is_empty(), "{after}: a folder was chosen");
    }

    fn assert_not_wider(before: &Granted, now: &Granted, after: &str) {
        assert!(now.devices.is_subset(&before.devices), "{after}: {now:?}");
        assert!(now.programs.is_subset(&before.programs), "{after}: {now:?}");
        assert!(now.tokens.is_subset(&before.tokens), "{after}: {now:?}");
        assert_eq!(now.settings, before.settings, "{after}");
        assert!(now.blocked.is_superset(&before.blocked), "{after}: {now:?}");
    }

    /// The attacker tries everything; what it may take away, it does last.
    pub(crate) async fn attack(&self, attacker: &mut impl Attacker) -> Vec<(Method, Value)> {
        let before = self.granted().await;
        let mut answered = Vec::new();
        let narrows = |method: &Method| method.power() == Power::Narrow;
        let others = Method::ALL.iter().filter(|method| !narrows(method));
        for &method in others {
            for params in self.attempts() {
                if let Some(Ok(payload)) = attacker.try_call(method.name(), params).await {
                    answered.push((method, payload));
                }
            }
            self.assert_undecided(method.name());
            Self::assert_not_wider(&before, &self.granted().await, method.name());
        }
        for &method in Method::ALL.iter().filter(|method| narrows(method)) {
            for params in self.attempts() {
                if let Some(Ok(payload)) = attacker.try_call(method.name(), params).await {
                    answered.push((method, payload));
                }
            }
            Self::assert_not_wider(&before, &self.granted().await, method.name());
        }
        assert!(!self.asked.is_finished(), "the command waits on: nobody allowed it");
        answered
    }
}

#[tokio::test]
async fn a_window_that_was_taken_over_lets_nobody_in_and_learns_no_secret() {
    let scene = Scene::new().await;
    let mut window = scene.world.window().await;

    let answered = scene.attack(&mut window).await;

    for (method, payload) in &answered {
        assert!(!matches!(method.power(), Power::Widen | Power::Administer), "{method:?} answered {payload}");
        let text = payload.to_string();
        assert!(!text.contains(&scene.world.token) && !text.contains("\"tg_"), "{method:?} told a token");
    }
    let called = scene.world.host.called.lock().unwrap().clone();
    for method in [
        Method::TidegateTokenShow,
        Method::TidegateModelsAdd,
        Method::TidegateModelsTake,
        Method::TidegateFilesKeep,
        Method::TidegateFilesUnshare,
        Method::TidegateSelfTest,
        Method::TidegateStop,
    ] {
        assert!(!called.contains(&method), "{method:?} reached the host");
    }
    assert!(scene.world.page("https://ui.example").await.is_err(), "its own page is not let in");
    let stranger = scene.world.device(2, &["operator.read"]);
    assert!(scene.world.connect(&stranger).await.is_err());
}

#[tokio::test]
async fn a_program_that_starts_the_command_line_beside_a_desktop_lets_nobody_in() {
    let scene = Scene::new().await;
    let mut command_line = scene.world.command_line().await;

    let answered = scene.attack(&mut command_line).await;

    let widened: Vec<_> = answered
        .iter()
        .filter(|(method, _)| matches!(method.power(), Power::Widen | Power::Decide))
        .collect();
    assert!(widened.is_empty(), "{widened:?}");
    let called = scene.world.host.called.lock().unwrap().clone();
    for method in [Method::TidegateModelsTake, Method::TidegateFilesKeep, Method::TidegateFilesUnshare] {
        assert!(!called.contains(&method), "{method:?} reached the host");
    }
}

#[tokio::test]
async fn our_own_client_decides_nothing_and_takes_nothing_away() {
    let scene = Scene::new().await;
    let before = scene.granted().await;

    for &method in Method::ALL {
        for params in scene.attempts() {
            // Its answers are ordinary ones; what counts is what has changed.
            let call = scene.world.subagents.call(method.name(), params);
            let _ = tokio::time::timeout(Duration::from_millis(150), call).await;
        }
        scene.assert_undecided(method.name());
    }

    assert_eq!(scene.granted().await, before);
}

#[tokio::test]
async fn a_window_is_no_client_and_can_send_no_connect() {
    let scene = Scene::new().await;
    let mut window = scene.world.window().await;

    let params =
        json!({ "role": "operator", "scopes": ["operator.admin"], "auth": { "token": scene.world.token } });
    let refused = window.call("connect", params).await.unwrap_err();

    assert!(refused["message"].as_str().unwrap().contains("first request"), "{refused}");
    let unknown = window.call("no.such.method", json!({})).await.unwrap_err();
    assert_eq!(unknown["message"], "unknown method: no.such.method");
}
