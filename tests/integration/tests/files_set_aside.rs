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
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_integration_tests::program;
use tidegate_integration_tests::serving::{BINARY, Serving};
use tidegate_testkit::client::ClientError;

const ATTEMPT: &str = "forbidden-attempt";
const HOOK: &str = "sub/.git/hooks/post-checkout";
/// Plants a hook and a file that shells read.
const PLANT: &str = "mkdir a && git init -q sub\nprintf '#!/bin/sh\\ntouch ran\\n' > hook && chmod 755 hook\n\
                     mv hook sub/.git/hooks/post-checkout\necho 'export A=1' > a/.envrc\nsleep 0.2\n";

/// Runs a script as a command of the agent that the person allows.
async fn runs(serving: &Serving, how: &str, script: &str) -> String {
    fs::write(serving.workspace().join("script.sh"), script).unwrap();
    let allow = async { serving.cli(&["approvals", "allow", &serving.waiting().await, "--yes"]).await };
    serving.agent_says(&format!("{how} sh ./script.sh"), allow).await.0
}

async fn files(serving: &Serving) -> Vec<Value> {
    serving.cli_json(&["files", "list"]).await["files"].as_array().unwrap().clone()
}

async fn id_of(serving: &Serving, path: &str) -> String {
    let files = files(serving).await;
    let file = files.iter().find(|file| file["path"] == path);
    file.unwrap_or_else(|| panic!("{path} is not in {files:?}"))["id"].as_str().unwrap().to_owned()
}

async fn refused(serving: &Serving, arguments: &[&str]) -> String {
    serving.try_cli(arguments).await.unwrap_err().1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_file_outlives_a_restart_and_is_kept_or_discarded_by_the_person() {
    let serving = Serving::start().await;
    let said = runs(&serving, "/run", PLANT).await;
    assert!(said.contains("set aside"), "{said}");
    let Serving { place, program, .. } = serving;
    program.terminate(Duration::from_secs(60)).await.unwrap();
    let serving = Serving::start_on(place).await;
    let (hook, envrc) = (serving.workspace().join(HOOK), serving.workspace().join("a/.envrc"));
    assert!(!hook.exists() && !envrc.exists());

    let shown = serving.cli(&["files", "show", &id_of(&serving, HOOK).await[..8]]).await;
    let unasked = refused(&serving, &["files", "keep", &id_of(&serving, HOOK).await]).await;
    let kept = serving.cli(&["files", "keep", &id_of(&serving, HOOK).await, "--yes"]).await;
    let status = serving.cli(&["status"]).await;
    serving.cli(&["files", "discard", &id_of(&serving, "a/.envrc").await]).await;

    assert!(shown.contains("| touch ran") && shown.contains("would run when git is used here"), "{shown}");
    assert!(unasked.contains("no terminal to ask in"), "{unasked}");
    assert!(kept.contains("back where it was"), "{kept}");
    assert!(status.contains("1 file that a command planted is set aside"), "{status}");
    assert_eq!(fs::read_to_string(&hook).unwrap(), "#!/bin/sh\ntouch ran\n");
    assert_eq!(fs::metadata(&hook).unwrap().permissions().mode() & 0o7777, 0o755);
    assert!(!envrc.exists());
    assert!(files(&serving).await.is_empty());
    let said = runs(&serving, "/run", "true\n").await;
    assert!(hook.exists() && !said.contains("set aside"), "it is the person's now: {said}");
    let audit = serving.cli(&["audit"]).await;
    for kind in ["file.set-aside", "file.kept", "file.discarded"] {
        assert!(audit.contains(kind), "{kind}: {audit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_kept_only_as_shown_and_only_in_its_place() {
    let serving = Serving::start().await;
    runs(&serving, "/run", PLANT).await;
    let (id, outside) = (id_of(&serving, "a/.envrc").await, serving.place.outside().join("victim"));
    fs::create_dir(&outside).unwrap();
    let folder = serving.workspace().join("a");

    fs::remove_dir(&folder).unwrap();
    symlink(&outside, &folder).unwrap();
    let redirected = refused(&serving, &["files", "keep", &id, "--yes"]).await;
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    symlink(outside.join("target"), folder.join(".envrc")).unwrap();
    let taken = refused(&serving, &["files", "keep", &id, "--yes"]).await;

    assert!(redirected.contains("folder on the way to a/.envrc is a link"), "{redirected}");
    assert!(taken.contains("a/.envrc is taken by something else"), "{taken}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    fs::remove_file(folder.join(".envrc")).unwrap();
    serving.cli(&["files", "keep", &id, "--yes"]).await;
    assert_eq!(fs::read_to_string(folder.join(".envrc")).unwrap(), "export A=1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_agent_and_no_client_keeps_a_file() {
    let serving = Serving::start().await;
    runs(&serving, "/run", PLANT).await;
    let id = id_of(&serving, "a/.envrc").await;
    let state = serving.place.state_dir();
    for (program, name) in [(BINARY, "tidegate"), (ATTEMPT, "attempt")] {
        fs::copy(program::built(program), serving.workspace().join(name)).unwrap();
    }
    let attack = |name: &str| {
        let (state, keep) = (state.display(), json!({ "id": id, "digest": "0" }));
        format!(
            "./tidegate --state-dir '{state}' files keep {id} --yes >{name}-cli.out 2>&1; echo $? >{name}-cli.code\n\
             ./attempt socket '{state}/control.sock' tidegate.files.keep '{keep}' >{name}-socket.out 2>&1\n\
             cat '{state}'/sandbox/aside/* >{name}-records.out 2>&1\n"
        )
    };
    let read = |name: &str| fs::read_to_string(serving.workspace().join(name)).unwrap();

    runs(&serving, "/run", &attack("inside")).await;
    runs(&serving, "/needs unconfined", &attack("outside")).await;
    let mut client = serving.connect(&[]).await.unwrap();
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
    assert!(!serving.workspace().join("a/.envrc").exists());
    assert_eq!(id_of(&serving, "a/.envrc").await, id, "it still waits");
}
