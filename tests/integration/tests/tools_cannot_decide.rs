//! The agent is not the user: a script that a person let run tries every way to let a device in or
//! to allow another command. In its sandbox it reaches nobody; outside, where a person let it run
//! unconfined, it is recognised, as itself and as an orphan in a session of its own.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tidegate_integration_tests::eventually::eventually;
use tidegate_integration_tests::program::{self, Ready, TOKEN};
// The script knows the key of the person's device, too.
use tidegate_integration_tests::serving::{BINARY, PERSON, Serving};
use tidegate_testkit::client::{ClientError, ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;

const ATTEMPT: &str = "forbidden-attempt";
const STRANGER: u64 = 1;

/// A program with one device and one command waiting, and the person's connection.
struct Scene {
    serving: Serving,
    client: GatewayClient,
    /// The request of a device that nobody let in.
    request: String,
    /// A command that nobody allowed.
    command: String,
}

impl Scene {
    async fn new() -> Self {
        let serving = Serving::start().await;
        let client = serving.connect(&[]).await.unwrap();
        let request = ask_to_be_let_in(&serving.ready).await;
        let mut scene = Self { serving, client, request, command: String::new() };
        scene.command = scene.ask("agent:main:other", "/run echo other").await;
        scene
    }

    /// Sends a message whose command then waits, and gives the command's id.
    async fn ask(&mut self, session: &str, message: &str) -> String {
        let params = json!({ "sessionKey": session, "message": message, "idempotencyKey": format!("run-of-{session}") });
        self.client.request("chat.send", params).await.unwrap();
        let requested = self.client.event("exec.approval.requested").await.unwrap();
        requested["id"].as_str().unwrap().to_owned()
    }

    async fn cli(&self, arguments: &[&str]) -> Value {
        self.serving.cli_json(arguments).await
    }

    fn workspace(&self) -> PathBuf {
        self.serving.workspace()
    }

    /// Lets a script run in its sandbox, as the person does at the command line, and waits for its end.
    async fn let_run(&mut self, session: &str, script: &str) {
        self.let_run_as(session, "/run", script).await;
    }

    /// Lets it run unconfined.
    async fn let_run_unconfined(&mut self, session: &str, script: &str) {
        self.let_run_as(session, "/needs unconfined", script).await;
    }

    async fn let_run_as(&mut self, session: &str, how: &str, script: &str) {
        fs::write(self.workspace().join("script.sh"), script).unwrap();
        let command = self.ask(session, &format!("{how} sh ./script.sh")).await;
        self.cli(&["approvals", "allow", &command, "--yes"]).await;
        let run = format!("run-of-{session}");
        let waited =
            self.client.request("agent.wait", json!({ "runId": run, "timeoutMs": 50_000 })).await.unwrap();
        assert_eq!(waited["status"], "ok", "{waited}");
    }

    fn result(&self, name: &str) -> String {
        let path = self.workspace().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Nothing was decided: both still wait, and nobody came in.
    async fn assert_undecided(&self) {
        let devices = self.cli(&["devices", "list"]).await;
        let pending = devices["pending"].as_array().unwrap();
        assert_eq!(pending.len(), 1, "{devices}");
        assert_eq!(pending[0]["requestId"], self.request.as_str());
        let commands = self.cli(&["approvals", "list"]).await;
        let waiting: Vec<&Value> =
            commands.as_array().unwrap().iter().map(|command| &command["id"]).collect();
        assert_eq!(waiting, [&json!(self.command)]);
        let tokens = self.cli(&["token", "list"]).await;
        assert_eq!((&tokens["tokens"], &tokens["programs"]), (&json!([]), &json!([])));
    }

    async fn audit_kinds(&self) -> Vec<String> {
        let audit = self.cli(&["audit"]).await;
        let events = audit["events"].as_array().unwrap();
        events.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }
}

async fn ask_to_be_let_in(ready: &Ready) -> String {
    let stranger = DeviceIdentity::numbered(STRANGER);
    let options = ConnectOptions::default().device(&stranger).token(TOKEN).scopes(&["operator.admin"]);
    let mut client = GatewayClient::open(&ready.url()).await.unwrap();
    match client.connect(&options).await {
        Err(ClientError::Answer(error)) => error["details"]["requestId"].as_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// The attempts, each with its own file for what came of it. `$1` comes before each file's name.
fn attempts(scene: &Scene, programs: [&str; 2]) -> String {
    let [binary, attempt] = programs;
    let state = scene.serving.place.state_dir();
    let (state, socket) = (state.display(), state.join("control.sock"));
    let (socket, port) = (socket.display(), scene.serving.ready.port);
    let (request, command) = (&scene.request, &scene.command);
    let cli = |name: &str, arguments: &str| {
        format!(
            "'{binary}' --state-dir '{state}' {arguments} >\"$1\"{name}.out 2>&1; echo \"$?\" >\"$1\"{name}.code\n"
        )
    };
    let decide = json!({ "requestId": request, "verdict": "approve" });
    let resolve = json!({ "id": command, "decision": "allow-once" });
    [
        cli("approve", &format!("devices approve {request} --yes")),
        cli("allow", &format!("approvals allow {command} --yes")),
        cli("token", "token new --name mine --level full"),
        cli("rotate", "token rotate"),
        cli("stop", "stop"),
        format!(
            "'{attempt}' socket '{socket}' tidegate.devices.decide '{decide}' >\"$1\"socket-decide.out\n"
        ),
        format!(
            "'{attempt}' socket '{socket}' exec.approval.resolve '{resolve}' >\"$1\"socket-resolve.out\n"
        ),
        format!("'{attempt}' connect {port} '{TOKEN}' >\"$1\"connect-token.out\n"),
        format!("'{attempt}' connect {port} '{TOKEN}' 2 >\"$1\"connect-new-device.out\n"),
        format!("'{attempt}' connect {port} '{TOKEN}' {PERSON} >\"$1\"connect-stolen-key.out\n"),
        "touch \"$1\"done\n".to_owned(),
    ]
    .concat()
}

fn assert_all_were_refused(scene: &Scene, prefix: &str) {
    for name in ["approve", "allow", "token", "rotate", "stop"] {
        let told = scene.result(&format!("{prefix}{name}.out"));
        let code = scene.result(&format!("{prefix}{name}.code"));
        assert_eq!(code.trim(), "4", "{prefix}{name}: {told}");
        assert!(told.contains("agent"), "{prefix}{name}: {told}");
    }
    for name in ["socket-decide", "socket-resolve"] {
        let told = scene.result(&format!("{prefix}{name}.out"));
        assert!(told.contains("tidegate.refused") && !told.contains("welcome"), "{prefix}{name}: {told}");
        assert!(!told.contains("\\\"res\\\""), "{prefix}{name}: nothing is answered: {told}");
    }
    for name in ["connect-token", "connect-new-device", "connect-stolen-key"] {
        let told = scene.result(&format!("{prefix}{name}.out"));
        assert!(told.contains("AUTH_UNAUTHORIZED") && told.contains("agent_tool"), "{prefix}{name}: {told}");
        assert!(!told.contains("admitted"), "{prefix}{name}: {told}");
        assert!(!told.contains("pairing required"), "{prefix}{name}: a tool asks nobody: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_in_its_sandbox_reaches_nobody() {
    let mut scene = Scene::new().await;
    // The programs lie where the sandbox has them; everything else must be out of reach.
    for (program, name) in [(BINARY, "tidegate"), (ATTEMPT, "attempt")] {
        fs::copy(program::built(program), scene.workspace().join(name)).unwrap();
    }
    let script = format!("set -- inside-\n{}", attempts(&scene, ["./tidegate", "./attempt"]));

    scene.let_run("agent:main:script", &script).await;

    for name in ["approve", "allow", "token", "rotate", "stop"] {
        let told = scene.result(&format!("inside-{name}.out"));
        assert!(told.contains("is not running"), "{name}: {told}");
    }
    for name in
        ["socket-decide", "socket-resolve", "connect-token", "connect-new-device", "connect-stolen-key"]
    {
        let told = scene.result(&format!("inside-{name}.out"));
        assert!(!told.contains("welcome") && !told.contains("admitted"), "{name}: {told}");
        assert!(!told.contains("agent_tool") && !told.contains("tidegate.refused"), "{name}: {told}");
    }
    scene.assert_undecided().await;
    let kinds = scene.audit_kinds().await;
    assert!(!kinds.iter().any(|kind| kind.ends_with(".refused")), "nobody heard of it: {kinds:?}");
    assert_that_a_person_decides(scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unconfined_script_is_recognised_and_decides_nothing() {
    let mut scene = Scene::new().await;
    let script =
        format!("set -- direct-\n{}", attempts(&scene, [&program::built(BINARY), &program::built(ATTEMPT)]));

    scene.let_run_unconfined("agent:main:script", &script).await;

    assert_all_were_refused(&scene, "direct-");
    scene.assert_undecided().await;
    let kinds = scene.audit_kinds().await;
    let count = |kind: &str| kinds.iter().filter(|found| *found == kind).count();
    assert_eq!(count("control.refused"), 7, "each of the five commands and two raw requests: {kinds:?}");
    assert_eq!(count("tool.refused"), 3, "each connection: {kinds:?}");
    assert_that_a_person_decides(scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orphan_in_a_session_of_its_own_decides_nothing() {
    let mut scene = Scene::new().await;
    // Forked twice, and it waits until its own parent is gone and Tidegate is what it got instead. The
    // script stays until the orphan is done, because all of a tool ends with it.
    let wait = "while read -r _ _ _ parent _ </proc/$$/stat; do\n\
                read -r name </proc/$parent/comm\n\
                case $name in tidegate-*) break ;; esac\n\
                done\n\
                echo \"$name\" >orphan-parent\n";
    fs::write(
        scene.workspace().join("orphan.sh"),
        format!("{wait}{}", attempts(&scene, [&program::built(BINARY), &program::built(ATTEMPT)])),
    )
    .unwrap();
    let script = "( setsid sh ./orphan.sh orphan- & )\n\
                  tries=0\n\
                  while [ ! -e orphan-done ] && [ $tries -lt 120 ]; do sleep 0.1; tries=$((tries + 1)); done\n";

    scene.let_run_unconfined("agent:main:script", script).await;

    assert!(scene.result("orphan-parent").starts_with("tidegate-"));
    assert_all_were_refused(&scene, "orphan-");
    scene.assert_undecided().await;
    assert_that_a_person_decides(scene).await;
}

/// What nobody could do from inside, the person does from outside: the requests were real.
async fn assert_that_a_person_decides(mut scene: Scene) {
    scene.cli(&["devices", "approve", &scene.request, "--yes"]).await;
    scene.cli(&["approvals", "allow", &scene.command, "--yes"]).await;
    let run = json!({ "runId": "run-of-agent:main:other", "timeoutMs": 50_000 });
    assert_eq!(scene.client.request("agent.wait", run).await.unwrap()["status"], "ok");
    let stranger = DeviceIdentity::numbered(STRANGER);
    let options = ConnectOptions::default().device(&stranger).token(TOKEN).scopes(&["operator.admin"]);
    let mut client = GatewayClient::open(&scene.serving.ready.url()).await.unwrap();
    client.connect(&options).await.unwrap();
    scene.serving.program.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_that_runs_on_ends_with_its_call_and_with_the_host() {
    for how in ["/run", "/needs unconfined"] {
        let mut scene = Scene::new().await;
        let script = "( setsid sh -c ': >left-behind; exec sleep 600' & )\nwhile [ ! -e left-behind ]; do sleep 0.05; done\n";
        scene.let_run_as("agent:main:script", how, script).await;
        assert_eq!(processes_in(&scene.workspace()), 0, "{how}: what the tool left behind ends with it");

        fs::write(scene.workspace().join("script.sh"), ": >working; exec sleep 600\n").unwrap();
        let command = scene.ask("agent:main:long", &format!("{how} sh ./script.sh")).await;
        scene.cli(&["approvals", "allow", &command, "--yes"]).await;
        let file = scene.workspace().join("working");
        eventually("a tool at work", || async { file.exists().then_some(()) }).await;
        assert!(processes_in(&scene.workspace()) > 0, "{how}");
        let workspace = scene.workspace();
        scene.serving.program.kill().await;
        eventually("the tool's end after kill -9 of the host", || async {
            (processes_in(&workspace) == 0).then_some(())
        })
        .await;
    }
}

/// How many processes work in a directory, whatever numbers they have where they are.
fn processes_in(directory: &Path) -> usize {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|place| place == directory)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_tools_write_neither_store_nor_configuration_nor_start_up_files() {
    let mut scene = Scene::new().await;
    let home = scene.serving.place.outside().join("home");
    let targets = [
        scene.serving.place.state_dir().join("openclaw.json"),
        scene.serving.place.store_file(),
        scene.serving.place.state_dir().join("new-file"),
        home.join(".bashrc"),
        home.join(".ssh/authorized_keys"),
        home.join(".config/autostart/evil.desktop"),
        PathBuf::from("../state/openclaw.json"),
    ];
    let before = fs::read(scene.serving.place.state_dir().join("openclaw.json")).unwrap();
    let lines: Vec<String> = targets.iter().map(|path| format!("/write {} evil", path.display())).collect();
    let params =
        json!({ "sessionKey": "agent:main:files", "message": lines.join("\n"), "idempotencyKey": "files" });

    scene.client.request("chat.send", params).await.unwrap();
    let waited =
        scene.client.request("agent.wait", json!({ "runId": "files", "timeoutMs": 50_000 })).await.unwrap();

    assert_eq!(waited["status"], "ok", "nobody was asked: {waited}");
    let history =
        scene.client.request("chat.history", json!({ "sessionKey": "agent:main:files" })).await.unwrap();
    let messages = history["messages"].as_array().unwrap();
    let results: Vec<&Value> = messages.iter().filter(|message| message["role"] == "toolResult").collect();
    assert_eq!(results.len(), targets.len());
    for result in results {
        assert_eq!(result["isError"], true, "{result}");
    }
    assert_eq!(fs::read(scene.serving.place.state_dir().join("openclaw.json")).unwrap(), before);
    for path in targets.iter().skip(2).filter(|path| path.is_absolute()) {
        assert!(!path.exists(), "{}", path.display());
    }
    scene.serving.program.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_writes_only_in_its_workspace() {
    let mut scene = Scene::new().await;
    let outside = scene.serving.place.outside().join("outside");
    fs::create_dir(&outside).unwrap();
    let (canary, state) = (outside.join("canary"), scene.serving.place.state_dir());
    let home = scene.serving.place.outside().join("home");
    let script = format!(
        "(echo x >'{}') 2>/dev/null && echo canary >>written\n\
         for file in '{state}/tidegate.sqlite' '{state}/openclaw.json' '{state}/new' '{home}/.bashrc'; do\n\
         (echo x >>\"$file\") 2>/dev/null && echo \"$file\" >>written\n\
         (cat \"$file\" >/dev/null) 2>/dev/null && echo \"$file\" >>read\n\
         done\n\
         (rm '{state}/lock') 2>/dev/null && echo lock >>written\n\
         (mv '{state}' '{state}-moved') 2>/dev/null && echo moved >>written\n\
         exit 0\n",
        canary.display(),
        state = state.display(),
        home = home.display(),
    );
    fs::write(home.join(".bashrc"), "# mine\n").unwrap();
    fs::set_permissions(home.join(".bashrc"), fs::Permissions::from_mode(0o666)).unwrap();

    scene.let_run("agent:main:script", &script).await;

    let written = read_or_empty(&scene.workspace().join("written"));
    assert_eq!(written, format!("{}/.bashrc\n", home.display()), "only in its own home directory");
    let read = read_or_empty(&scene.workspace().join("read"));
    assert!(!read.contains(&state.display().to_string()), "these were read: {read}");
    assert_eq!(fs::read_to_string(home.join(".bashrc")).unwrap(), "# mine\n");
    assert!(!canary.exists());
    scene.assert_undecided().await;
    scene.serving.program.kill().await;
}

fn read_or_empty(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
