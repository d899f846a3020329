//! A command plants files that would run as the person. They are set aside, outlive a restart, and only
//! the person keeps or discards them.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_integration_tests::device::{self, record};
use tidegate_integration_tests::place::Place;
use tidegate_integration_tests::program::{self, Program, Ready, TOKEN, choose_offline_model};
use tidegate_protocol::Scope;
use tidegate_testkit::client::{ClientError, ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::Change;

const BINARY: &str = "tidegate-under-test";
const ATTEMPT: &str = "forbidden-attempt";
const HOOK: &str = "sub/.git/hooks/post-checkout";
/// Plants a hook and a file that shells read.
const PLANT: &str = "mkdir a && git init -q sub\nprintf '#!/bin/sh\\ntouch ran\\n' > hook && chmod 755 hook\n\
                     mv hook sub/.git/hooks/post-checkout\necho 'export A=1' > a/.envrc\nsleep 0.2\n";

struct Scene {
    place: Arc<Place>,
    program: Program,
    ready: Ready,
}

impl Scene {
    async fn new() -> Self {
        let place = Arc::new(Place::new());
        choose_offline_model(&place.state_dir());
        let person = DeviceIdentity::numbered(0);
        let owner =
            record(device::public_key(&person), "person", &[Scope::Write, Scope::Approvals, Scope::Admin]);
        device::commit(&place.state_dir(), vec![Change::PutDevice(Box::new(owner))]).await;
        let mut program = Program::start(BINARY, &place);
        let ready = program.ready().await;
        Self { place, program, ready }
    }

    async fn restarted(self) -> Self {
        self.program.terminate(Duration::from_secs(60)).await.unwrap();
        let mut program = Program::start(BINARY, &self.place);
        let ready = program.ready().await;
        Self { place: self.place, program, ready }
    }

    fn workspace(&self) -> PathBuf {
        self.place.outside().join("state-workspace")
    }

    async fn try_cli(&self, arguments: &[&str]) -> Result<String, String> {
        let output = program::run(BINARY, &self.place, arguments).await;
        let told = String::from_utf8(output.stderr).unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap()).ok_or(told)
    }

    async fn cli(&self, arguments: &[&str]) -> String {
        self.try_cli(arguments).await.unwrap_or_else(|told| panic!("{arguments:?}: {told}"))
    }

    /// Runs a script as a command of the agent that the person allows.
    async fn runs(&self, how: &str, script: &str) -> String {
        fs::write(self.workspace().join("script.sh"), script).unwrap();
        let place = Arc::clone(&self.place);
        let message = format!("{how} sh ./script.sh");
        let said =
            tokio::spawn(
                async move { program::run(BINARY, &place, &["agent", "--message", &message]).await },
            );
        let id = loop {
            assert!(!said.is_finished(), "it ended without a question");
            let waiting: Value =
                serde_json::from_str(&self.cli(&["approvals", "list", "--json"]).await).unwrap();
            if let Some(id) = waiting[0]["id"].as_str() {
                break id.to_owned();
            }
        };
        self.cli(&["approvals", "allow", &id, "--yes"]).await;
        String::from_utf8(said.await.unwrap().stdout).unwrap()
    }

    async fn files(&self) -> Vec<Value> {
        let list: Value = serde_json::from_str(&self.cli(&["files", "list", "--json"]).await).unwrap();
        list["files"].as_array().unwrap().clone()
    }

    async fn id_of(&self, path: &str) -> String {
        let files = self.files().await;
        let file = files.iter().find(|file| file["path"] == path);
        file.unwrap_or_else(|| panic!("{path} is not in {files:?}"))["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_file_outlives_a_restart_and_is_kept_or_discarded_by_the_person() {
    let scene = Scene::new().await;
    let said = scene.runs("/run", PLANT).await;
    assert!(said.contains("set aside"), "{said}");
    let scene = scene.restarted().await;
    let (hook, envrc) = (scene.workspace().join(HOOK), scene.workspace().join("a/.envrc"));
    assert!(!hook.exists() && !envrc.exists());

    let shown = scene.cli(&["files", "show", &scene.id_of(HOOK).await[..8]]).await;
    let unasked = scene.try_cli(&["files", "keep", &scene.id_of(HOOK).await]).await.unwrap_err();
    let kept = scene.cli(&["files", "keep", &scene.id_of(HOOK).await, "--yes"]).await;
    let status = scene.cli(&["status"]).await;
    scene.cli(&["files", "discard", &scene.id_of("a/.envrc").await]).await;

    assert!(shown.contains("| touch ran") && shown.contains("would run when git is used here"), "{shown}");
    assert!(unasked.contains("no terminal to ask in"), "{unasked}");
    assert!(kept.contains("back where it was"), "{kept}");
    assert!(status.contains("1 file that a command planted is set aside"), "{status}");
    assert_eq!(fs::read_to_string(&hook).unwrap(), "#!/bin/sh\ntouch ran\n");
    assert_eq!(fs::metadata(&hook).unwrap().permissions().mode() & 0o7777, 0o755);
    assert!(!envrc.exists());
    assert!(scene.files().await.is_empty());
    let said = scene.runs("/run", "true\n").await;
    assert!(hook.exists() && !said.contains("set aside"), "it is the person's now: {said}");
    let audit = scene.cli(&["audit"]).await;
    for kind in ["file.set-aside", "file.kept", "file.discarded"] {
        assert!(audit.contains(kind), "{kind}: {audit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_kept_only_as_shown_and_only_in_its_place() {
    let scene = Scene::new().await;
    scene.runs("/run", PLANT).await;
    let (id, outside) = (scene.id_of("a/.envrc").await, scene.place.outside().join("victim"));
    fs::create_dir(&outside).unwrap();
    let folder = scene.workspace().join("a");

    fs::remove_dir(&folder).unwrap();
    symlink(&outside, &folder).unwrap();
    let redirected = scene.try_cli(&["files", "keep", &id, "--yes"]).await.unwrap_err();
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    symlink(outside.join("target"), folder.join(".envrc")).unwrap();
    let taken = scene.try_cli(&["files", "keep", &id, "--yes"]).await.unwrap_err();

    assert!(redirected.contains("folder on the way to a/.envrc is a link"), "{redirected}");
    assert!(taken.contains("a/.envrc is taken by something else"), "{taken}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    fs::remove_file(folder.join(".envrc")).unwrap();
    scene.cli(&["files", "keep", &id, "--yes"]).await;
    assert_eq!(fs::read_to_string(folder.join(".envrc")).unwrap(), "export A=1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_agent_and_no_client_keeps_a_file() {
    let scene = Scene::new().await;
    scene.runs("/run", PLANT).await;
    let id = scene.id_of("a/.envrc").await;
    let state = scene.place.state_dir();
    for (program, name) in [(BINARY, "tidegate"), (ATTEMPT, "attempt")] {
        fs::copy(program::built(program), scene.workspace().join(name)).unwrap();
    }
    let attack = |name: &str| {
        let (state, keep) = (state.display(), json!({ "id": id, "digest": "0" }));
        format!(
            "./tidegate --state-dir '{state}' files keep {id} --yes >{name}-cli.out 2>&1; echo $? >{name}-cli.code\n\
             ./attempt socket '{state}/control.sock' tidegate.files.keep '{keep}' >{name}-socket.out 2>&1\n\
             cat '{state}'/sandbox/aside/* >{name}-records.out 2>&1\n"
        )
    };
    let read = |name: &str| fs::read_to_string(scene.workspace().join(name)).unwrap();

    scene.runs("/run", &attack("inside")).await;
    scene.runs("/needs unconfined", &attack("outside")).await;
    let options = ConnectOptions::default().device(&DeviceIdentity::numbered(0)).token(TOKEN).scopes(&[
        "operator.write",
        "operator.approvals",
        "operator.admin",
    ]);
    let mut client = GatewayClient::open(&scene.ready.url()).await.unwrap();
    client.connect(&options).await.unwrap();
    for method in ["list", "show", "keep", "discard"] {
        let refused =
            client.request(&format!("tidegate.files.{method}"), json!({ "id": id, "digest": "0" })).await;
        assert!(matches!(refused, Err(ClientError::Answer(_))), "{method}: {refused:?}");
    }

    assert!(read("inside-cli.out").contains("is not running"), "{}", read("inside-cli.out"));
    assert!(!read("inside-socket.out").contains("welcome"), "{}", read("inside-socket.out"));
    assert!(!read("inside-records.out").contains("export A=1"), "{}", read("inside-records.out"));
    assert_eq!(read("outside-cli.code").trim(), "4", "{}", read("outside-cli.out"));
    let told = read("outside-socket.out");
    assert!(told.contains("tidegate.refused") && !told.contains("welcome"), "{told}");
    assert!(!scene.workspace().join("a/.envrc").exists());
    assert_eq!(scene.id_of("a/.envrc").await, id, "it still waits");
}
