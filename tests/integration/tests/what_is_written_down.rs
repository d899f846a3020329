//! What strangers say in the log, and where secrets are: clients send what a log or its reader could
//! be fooled by, and then every file of the state directory is searched for every token.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tidegate_integration_tests::device::{self, record};
use tidegate_integration_tests::eventually::eventually;
use tidegate_integration_tests::place::Place;
use tidegate_integration_tests::program::{self, Program, Ready, TOKEN, choose_offline_model};
use tidegate_protocol::Scope;
use tidegate_testkit::client::{ClientError, ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_testkit::raw_socket::{RawSocket, TEXT, frame, upgrade_request};
use tidegate_trust::Change;

const BINARY: &str = "tidegate-under-test";
const WRONG: &str = "canary-of-a-wrong-token-0123456789";
/// Ends lines, moves a terminal's cursor, turns text round, and claims to be an audit line.
const HOSTILE: &str =
    "x\u{1b}[2J\u{7}\u{202e}\u{2028}\n{\"level\":\"ERROR\",\"message\":\"security audit: forged\"}";

struct Scene {
    place: Place,
    program: Program,
    ready: Ready,
}

impl Scene {
    async fn new() -> Self {
        let place = Place::new();
        choose_offline_model(&place.state_dir());
        let person = record(device::public_key(&DeviceIdentity::numbered(0)), "person", &[Scope::Read]);
        device::commit(&place.state_dir(), vec![Change::PutDevice(Box::new(person))]).await;
        let mut program = Program::start_logging(BINARY, &place, "debug");
        let ready = program.ready().await;
        Self { place, program, ready }
    }

    fn log(&self) -> PathBuf {
        self.place.state_dir().join("logs/tidegate.log")
    }

    async fn cli(&self, arguments: &[&str]) -> String {
        let output = program::run(BINARY, &self.place, arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn reads() -> ConnectOptions {
    ConnectOptions::default().device(&DeviceIdentity::numbered(0)).scopes(&["operator.read"])
}

async fn refused(url: &str, headers: &[(&str, &str)], options: &ConnectOptions) -> Value {
    let mut client = GatewayClient::open_with(url, headers).await.unwrap();
    match client.connect(options).await {
        Err(ClientError::Answer(error)) => error,
        other => panic!("not refused but {other:?}"),
    }
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_holds_a_token_and_one_outside_connect_lets_nobody_in() {
    let scene = Scene::new().await;
    let url = scene.ready.url();
    let in_url =
        [format!("{url}/?token={TOKEN}"), format!("{url}/{TOKEN}"), format!("{url}/?auth={TOKEN}#{TOKEN}")];
    for url in &in_url {
        let error = refused(url, &[], &reads()).await;
        assert_eq!(error["details"]["code"], "AUTH_TOKEN_MISSING", "{url}: {error}");
    }
    let bearer = format!("Bearer {TOKEN}");
    let cookie = format!("token={TOKEN}");
    for header in [("authorization", &*bearer), ("cookie", &*cookie), ("x-openclaw-token", TOKEN)] {
        let error = refused(&url, &[header], &reads()).await;
        assert_eq!(error["details"]["code"], "AUTH_TOKEN_MISSING", "{header:?}: {error}");
    }
    refused(&url, &[], &reads().token(WRONG)).await;
    let mut client = GatewayClient::open(&url).await.unwrap();
    let hello = client.connect(&reads().token(TOKEN)).await.unwrap();
    let of_device = hello["auth"]["deviceToken"].as_str().expect("the first time it gets one").to_owned();
    let of_program = scene.cli(&["token", "new", "--name", "ci", "--level", "read"]).await;
    let of_program = of_program.trim().lines().last().unwrap().to_owned();
    let mut program = GatewayClient::open(&url).await.unwrap();
    let options = ConnectOptions::default().token(&of_program).scopes(&["operator.read"]);
    program.connect(&options).await.unwrap();
    let rotated = scene.cli(&["token", "rotate"]).await.trim().lines().last().unwrap().to_owned();
    assert_eq!(scene.cli(&["audit", "--json"]).await.matches(TOKEN).count(), 0);

    for path in files(&scene.place.state_dir()) {
        // A socket cannot be read.
        let Ok(bytes) = fs::read(&path) else { continue };
        for token in [TOKEN, WRONG, &of_device, &of_program, &rotated] {
            assert!(!holds(&bytes, token), "{} holds {token}", path.display());
        }
    }
    let arguments = fs::read(format!("/proc/{}/cmdline", scene.program.id())).unwrap_or_default();
    assert!(!holds(&arguments, TOKEN));
    assert!(fs::metadata(scene.log()).unwrap().len() > 0, "there is a log that could have held them");
    scene.program.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_strangers_say_the_log_is_one_plain_bounded_object_a_line() {
    let scene = Scene::new().await;
    let address = format!("127.0.0.1:{}", scene.ready.port);
    let socket: std::net::SocketAddr = address.parse().unwrap();
    // A header cannot hold a line break; what it can hold is in the log as text.
    let agent = format!("User-Agent: x\u{1b}\u{202e}{}\r\n", "y".repeat(4000));
    for bytes in [
        upgrade_request(&address, &agent),
        upgrade_request(&address, &format!("Origin: https://{}\r\n", "evil.example".repeat(100))),
        upgrade_request("evil.example\u{202e}", ""),
        format!("GET /{} HTTP/1.1\r\nHost: {address}\r\n\r\n", "%1b".repeat(500)),
        "\u{1b}[2J\u{202e}\r\n\r\n".to_owned(),
    ] {
        let mut raw = RawSocket::connect(socket).await.unwrap();
        raw.send(bytes.as_bytes()).await.unwrap();
        let _ = raw.send(&frame(TEXT, HOSTILE.as_bytes())).await;
        let _ = raw.read_to_end().await;
    }
    let url = scene.ready.url();
    let named = reads().token(TOKEN).display_name(HOSTILE);
    let stranger = named.clone().changed(|options| options.device = Some(DeviceIdentity::numbered(1)));
    refused(&url, &[], &stranger.clone().changed(|options| options.platform = HOSTILE.to_owned())).await;
    refused(&url, &[], &stranger.clone().changed(|options| options.client_version = HOSTILE.to_owned()))
        .await;
    refused(&url, &[], &stranger.clone().changed(|options| options.role = "x\u{1b}\n\u{202e}".to_owned()))
        .await;
    refused(&url, &[], &stranger.clone().scopes(&["operator.\u{1b}"])).await;
    refused(&url, &[], &stranger.tampered(|params| params[HOSTILE] = json!(1))).await;
    let mut client = GatewayClient::open(&url).await.unwrap();
    client.connect(&named).await.unwrap();
    for method in [HOSTILE, "device.pair.approve", "tidegate.token.show"] {
        assert!(client.request(method, json!({ "requestId": HOSTILE })).await.is_err());
    }
    client.close().await.unwrap();

    let log = eventually("the log", || async {
        let log = fs::read_to_string(scene.log()).unwrap();
        log.contains("closed before connect").then_some(log)
    })
    .await;

    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line.len() < 4096, "{} bytes: {line}", line.len());
        assert!(entry["message"] != "security audit: forged", "{line}");
        let texts = entry.as_object().unwrap().values().filter_map(Value::as_str);
        for text in texts {
            let hidden = text.chars().find(|&character| {
                character.is_control()
                    || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}')
            });
            assert_eq!(hidden, None, "{line}");
        }
    }
    let audit = scene.cli(&["audit", "--json"]).await;
    let audit: Value = serde_json::from_str(&audit).unwrap();
    for event in audit["events"].as_array().unwrap() {
        let text = event["line"].as_str().unwrap();
        assert!(!text.chars().any(char::is_control) && text.len() < 2048, "{event}");
    }
    scene.program.kill().await;
}
