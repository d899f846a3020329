//! A configuration file as a program of the same user could leave it: it ends nothing, nobody waits for
//! it, and who may only read learns no secret from it.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_host::RunningHost;
use tidegate_testkit::client::GatewayClient;
use tidegate_trust::decision::{Choice, GrantLifetime, Verdict};

use support::Tokens;

const PATIENCE: Duration = Duration::from_secs(30);
const MASKED: &str = "__OPENCLAW_REDACTED__";

struct Place {
    root: TempDir,
    tokens: Tokens,
}

impl Place {
    fn new(config: &str) -> Self {
        let place = Self { root: tempfile::tempdir().unwrap(), tokens: Tokens::default() };
        fs::create_dir(place.state_dir()).unwrap();
        fs::write(place.file(), config).unwrap();
        place
    }

    fn state_dir(&self) -> PathBuf {
        self.root.path().join("state")
    }

    fn file(&self) -> PathBuf {
        self.state_dir().join("openclaw.json")
    }

    async fn start(&self) -> RunningHost {
        let started = tidegate_host::start(self.tokens.options(&self.state_dir()));
        tokio::time::timeout(PATIENCE, started).await.expect("it starts in time").expect("it starts")
    }

    /// A device that may read, and nothing else.
    async fn reader(&self, host: &RunningHost) -> GatewayClient {
        let desktop = host.desktop().expect("a desktop runs");
        assert!(self.tokens.connect(host.port(), 1).await.is_err(), "a person decides first");
        let request = desktop.requests().pop().expect("it waits");
        let verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };
        desktop.decide(&request.id, &request.details.digest(), &verdict).await.unwrap();
        self.tokens.connect(host.port(), 1).await.unwrap()
    }
}

fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_brackets_ends_neither_a_start_nor_what_runs() {
    let place = Place::new("{ gateway: { port: 1 } }");
    let host = place.start().await;
    let mut reader = place.reader(&host).await;
    fs::write(place.file(), "[".repeat(400_000)).unwrap();
    let shown = reader.request("config.get", json!({})).await.unwrap();
    assert_eq!(shown["config"]["gateway"]["port"], 1, "what was loaded: {shown}");
    host.stop().await;

    let host = place.start().await;

    let said = host.degraded().join(" ");
    assert!(said.contains("nested more than 64 deep at line 1 column 65"), "{said}");
    assert!(said.contains("the last good one is used"), "{said}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fifo_in_place_of_the_file_is_a_sentence_and_not_waited_for() {
    let place = Place::new("{}");
    fs::remove_file(place.file()).unwrap();
    fifo(&place.file());

    let host = place.start().await;

    let said = host.degraded().join(" ");
    assert!(said.contains("openclaw.json is not a regular file"), "{said}");
    let mut reader = place.reader(&host).await;
    let shown = tokio::time::timeout(PATIENCE, reader.request("config.get", json!({}))).await;
    assert_eq!(shown.expect("in time").unwrap()["valid"], false);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_is_a_fifo_waited_for_in_place_of_the_lock_or_the_last_good_copy() {
    let place = Place::new("{}");
    for name in ["lock", "openclaw.json.last-good"] {
        fifo(&place.state_dir().join(name));
    }

    let host = place.start().await;

    assert!(!host.degraded().is_empty(), "nothing can be kept without a lock");
    host.stop().await;
}

/// Every way of hiding a secret that a list of suspicious names does not know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_read_gets_no_secret_from_the_configuration() {
    let config = json!({
        "gateway": {
            "port": 19_000, "bind": "hush", "auth": { "mode": "token", "token": ["hush"], "note": "hush" },
            "remote": { "url": "wss://hush:hush@gateway.example:1/hush?token=hush#hush" },
            "controlUi": { "allowedOrigins": ["https://ui.example", "https://hush@ui.example"] },
        },
        "agents": { "defaults": { "subagents": { "maxSpawnDepth": 3 }, "passphrase": "hush" } },
        "env": { "OPENAI": "hush", "vars": { "hush": "x" } },
        "apiKeys": ["hush"], "bot": "hush", "channels": { "telegram": { "bot": "hush" } },
        "headers": { "X-Auth": "hush" }, "pin": 123_456_789,
        "webhook": "https://hook.example/services/hush",
    });
    let place = Place::new(&config.to_string());
    let host = place.start().await;
    let mut reader = place.reader(&host).await;

    let shown = reader.request("config.get", json!({})).await.unwrap();

    let text = shown.to_string();
    assert!(!text.contains("hush") && !text.contains("123456789"), "{text}");
    let config = &shown["config"];
    assert_eq!(config["gateway"]["port"], 19_000);
    assert_eq!(config["gateway"]["auth"]["mode"], "token");
    assert_eq!(config["gateway"]["auth"]["token"], json!([MASKED]));
    assert_eq!(config["gateway"]["bind"], MASKED, "a known name with an unknown word");
    assert_eq!(config["gateway"]["remote"]["url"], "wss://gateway.example:1");
    assert_eq!(config["gateway"]["controlUi"]["allowedOrigins"], json!(["https://ui.example", MASKED]));
    assert_eq!(config["agents"]["defaults"]["subagents"]["maxSpawnDepth"], 3);
    assert_eq!(config["env"], json!({ MASKED: MASKED }), "an object stays an object");
    assert_eq!(shown["parsed"], *config);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_read_the_log_learns_only_what_is_known_to_be_harmless() {
    let place = Place::new("{}");
    let host = place.start().await;
    let mut reader = place.reader(&host).await;
    let log = tidegate_host::log_file(&place.state_dir());
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    let known = r#"{"timestamp":"2026-01-01T00:00:00Z","level":"INFO","message":"Tidegate is ready","port":1,"target":"tidegate_host::boot"}"#;
    let lines = [
        known,
        r#"{"timestamp":"2026-01-01T00:00:00Z","level":"INFO","message":"known","text":"hush","target":"tidegate_gateway"}"#,
        r#"{"timestamp":"2026-01-01T00:00:00Z","level":"TRACE","message":"Bearer hush","header":"hush","target":"hyper::proto"}"#,
        "hush",
        "[\"hush\"]",
    ];
    fs::write(&log, format!("{}\n", lines.join("\n"))).unwrap();

    let shown = reader.request("logs.tail", json!({})).await.unwrap();

    assert!(!shown.to_string().contains("hush"), "{shown}");
    let shown: Vec<&str> = shown["lines"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    // The host goes on writing.
    assert!(shown.len() >= lines.len(), "{shown:?}");
    assert_eq!(shown[0], known);
    let masked: Value = serde_json::from_str(shown[1]).unwrap();
    assert_eq!((&masked["message"], &masked["text"]), (&json!("known"), &json!(MASKED)));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_good_copy_is_no_more_open_than_the_file_and_never_for_others() {
    for (of_file, of_copy) in [(0o644, 0o600), (0o600, 0o600), (0o400, 0o400)] {
        let place = Place::new("{ gateway: { port: 1 } }");
        fs::set_permissions(place.file(), fs::Permissions::from_mode(of_file)).unwrap();
        let copy = place.state_dir().join("openclaw.json.last-good");

        place.start().await.stop().await;

        assert_eq!(mode(&copy), of_copy, "for {of_file:o}");
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o666)).unwrap();
        place.start().await.stop().await;
        assert_eq!(mode(&copy) & 0o077, 0, "an older copy, too");
    }
}
