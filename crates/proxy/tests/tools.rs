//! Real programs as clients, with the variables that a command gets and a mirror that public names
//! lead to. A program that is not installed is skipped, and says so.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failure in a test's own helper fails the test")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use support::{Running, Setup};
use tempfile::TempDir;
use tidegate_proxy::record::{Checked, Outcome, Refusal, Route};
use tidegate_proxy::variables;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const HOST: &str = "mirror.example.com";
const NEEDED: [&str; 3] = ["python3", "openssl", "git"];

/// A mirror of package tools behind a command's proxy, and a folder of the command's own.
struct Mirror {
    running: Running,
    folder: TempDir,
    certificate: PathBuf,
    _server: Child,
}

/// Whether all programs are installed.
fn installed(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &&&str| !std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let missing: Vec<_> = programs.iter().filter(is_there).collect();
    if !missing.is_empty() {
        println!("skipped: {missing:?} are not installed");
    }
    missing.is_empty()
}

impl Mirror {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "2", "-subj", "/CN=mirror", "-addext", &format!("subjectAltName=DNS:{HOST}")])
            .args(["-keyout".as_ref(), key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
            .output()
            .await
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let files = folder.path().join("mirror");
        std::fs::create_dir(&files).unwrap();
        let script = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("tests/mirror.py");
        let mut server = Command::new("python3")
            .arg(script)
            .args([&certificate, &key])
            .current_dir(files)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let ports: Vec<u16> = line.split_whitespace().map(|port| port.parse().unwrap()).collect();
        let running = Setup::granting(&["network:mirror.example.com"]).start().await;
        running.internet.host(HOST, 80, ([127, 0, 0, 1], ports[0]).into());
        running.internet.host(HOST, 443, ([127, 0, 0, 1], ports[1]).into());
        Self { running, folder, certificate, _server: server }
    }

    /// Runs a program as a command of the proxy would run it.
    async fn run(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .envs(variables(self.running.address))
            .envs([
                ("SSL_CERT_FILE", &self.certificate),
                ("GIT_SSL_CAINFO", &self.certificate),
                ("PIP_CERT", &self.certificate),
                ("npm_config_cafile", &self.certificate),
                ("CURL_CA_BUNDLE", &self.certificate),
            ])
            .kill_on_drop(true)
            .output()
            .await
            .unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.folder.path().join(path).exists()
    }

    async fn outcomes(self) -> Vec<Outcome> {
        self.running.end().await.records.into_iter().map(|record| record.outcome).collect()
    }
}

fn connected(checked: Checked) -> Outcome {
    Outcome::Connected { route: Route::Direct, checked }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_fetches_from_a_granted_host() {
    if !installed(&NEEDED) || !installed(&["curl"]) {
        return;
    }
    let mirror = Mirror::start().await;

    let http = mirror.run("curl", &["-sS", "http://mirror.example.com/tiny"]).await;
    let tunnel = mirror.run("curl", &["-sSp", "http://mirror.example.com/tiny"]).await;
    let tls = mirror.run("curl", &["-sS", "https://mirror.example.com/tiny"]).await;

    for output in [http, tunnel, tls] {
        assert!(text(&output).starts_with("{\"name\": \"tiny\""), "{}", text(&output));
    }
    assert_eq!(mirror.outcomes().await, [connected(Checked::Http), connected(Checked::Tls)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_is_refused_what_was_not_granted() {
    if !installed(&NEEDED) || !installed(&["curl"]) {
        return;
    }
    let mirror = Mirror::start().await;
    let fronting =
        ["-sS", "https://evil.example/", "--connect-to", "evil.example:443:mirror.example.com:443"];

    let http = mirror.run("curl", &["-sS", "http://other.example/"]).await;
    let tls = mirror.run("curl", &["-sS", "https://other.example/"]).await;
    let fronted = mirror.run("curl", &fronting).await;
    let header = ["-sS", "-H", "Host: evil.example", "http://mirror.example.com/"];
    let header = mirror.run("curl", &header).await;

    assert!(text(&http).contains("ask with needs [\"network:other.example:80\"]"), "{}", text(&http));
    assert!(!tls.status.success() && text(&tls).contains("403"), "{}", text(&tls));
    assert!(!fronted.status.success(), "{}", text(&fronted));
    assert!(text(&header).contains("names another host, evil.example"), "{}", text(&header));
    let name = "evil.example".to_owned();
    let refused = |refusal| Outcome::Refused { refusal };
    let outcomes = mirror.outcomes().await;
    assert!(outcomes.contains(&refused(Refusal::OtherServerName { name: name.clone() })), "{outcomes:?}");
    assert!(outcomes.contains(&refused(Refusal::OtherHostHeader { name })), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn git_clones_over_http_and_tls() {
    if !installed(&NEEDED) {
        return;
    }
    let mirror = Mirror::start().await;

    let http = mirror.run("git", &["clone", "http://mirror.example.com/project.git", "http"]).await;
    let tls = mirror.run("git", &["clone", "https://mirror.example.com/project.git", "tls"]).await;

    assert!(http.status.success() && mirror.has("http/.git/HEAD"), "{}", text(&http));
    assert!(tls.status.success() && mirror.has("tls/.git/HEAD"), "{}", text(&tls));
}

#[tokio::test(flavor = "multi_thread")]
async fn pip_installs_from_a_granted_index() {
    if !installed(&NEEDED) || !installed(&["pip"]) {
        return;
    }
    let mirror = Mirror::start().await;
    let index = "https://mirror.example.com/simple";

    let output = mirror.run("pip", &["install", "--target", "lib", "--index-url", index, "tiny"]).await;

    assert!(output.status.success() && mirror.has("lib/tiny.py"), "{}", text(&output));
    assert_eq!(mirror.outcomes().await, [connected(Checked::Tls)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_installs_from_a_granted_registry() {
    if !installed(&NEEDED) || !installed(&["npm", "node"]) {
        return;
    }
    let mirror = Mirror::start().await;
    let registry = "--registry=https://mirror.example.com/";

    let quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries=0"];
    let arguments = [&["install", "tiny", registry], &quiet[..]].concat();
    let output = mirror.run("npm", &arguments).await;

    assert!(output.status.success() && mirror.has("node_modules/tiny/package.json"), "{}", text(&output));
    assert_eq!(mirror.outcomes().await, [connected(Checked::Tls)]);
}
