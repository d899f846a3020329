//! The folder of a session: the person chooses it, its agents and their subagents work there, it survives a
//! restart, and nothing works elsewhere when it is lost.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tidegate_integration_tests::program;
use tidegate_integration_tests::serving::{BINARY, Serving};
use tidegate_testkit::client::ClientError;

const ATTEMPT: &str = "forbidden-attempt";

/// A folder of the person, and a symbolic link to it.
fn site(serving: &Serving) -> (PathBuf, PathBuf) {
    let outside = serving.place.outside().canonicalize().unwrap();
    let (site, link) = (outside.join("site"), outside.join("link"));
    fs::create_dir(&site).unwrap();
    std::os::unix::fs::symlink(&site, &link).unwrap();
    (site, link)
}

async fn folder_of(serving: &Serving, session: &str) -> serde_json::Value {
    serving.cli_json(&["sessions", "workspace", session]).await["session"]["workspace"].clone()
}

/// Has the agent run a script in its folder, which the person allows.
async fn runs(serving: &Serving, how: &str, script: &str) -> String {
    let allow = async {
        let id = serving.waiting().await;
        serving.cli(&["approvals", "allow", &id, "--yes"]).await;
    };
    serving.agent_says(&format!("{how} {script}"), allow).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_work_in_the_folder_that_the_person_chose_also_after_a_restart() {
    let serving = Serving::start().await;
    let (site, link) = site(&serving);

    let unasked = serving.try_cli(&["sessions", "workspace", "main", link.to_str().unwrap()]).await;
    let chosen = serving.cli(&["sessions", "workspace", "main", link.to_str().unwrap(), "--yes"]).await;
    runs(&serving, "/run", "sh -c 'pwd > here'").await;
    let Serving { place, program, .. } = serving;
    drop(program);
    let serving = Serving::start_on(place).await;
    runs(&serving, "/run", "sh -c 'pwd > again'").await;
    let default = serving.cli(&["sessions", "workspace", "main", "--default", "--yes"]).await;
    runs(&serving, "/run", "sh -c 'pwd > default'").await;

    assert!(unasked.unwrap_err().1.contains("no terminal to ask in"));
    assert!(chosen.contains(&format!("Folder\n  | {}\n", site.display())), "the real folder: {chosen}");
    let read = |name: &str| fs::read_to_string(site.join(name)).unwrap();
    for name in ["here", "again"] {
        assert_eq!(PathBuf::from(read(name).trim_end()), site);
    }
    assert!(!site.join("default").exists() && serving.workspace().join("default").exists(), "{default}");
    let audit = serving.cli(&["audit"]).await;
    let line = format!("workspace.chosen session=agent:main:main folder={} by=person", site.display());
    assert!(audit.contains(&line), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_was_moved_or_replaced_fails_the_run_until_it_is_chosen_again() {
    let serving = Serving::start().await;
    let (site, _) = site(&serving);
    let path = site.to_str().unwrap();
    serving.cli(&["sessions", "workspace", "main", path, "--yes"]).await;
    let away = site.with_file_name("away");

    fs::rename(&site, &away).unwrap();
    let (_, gone) = serving.try_cli(&["agent", "--message", "hello"]).await.unwrap_err();
    fs::create_dir(&site).unwrap();
    let (_, replaced) = serving.try_cli(&["agent", "--message", "hello"]).await.unwrap_err();
    serving.cli(&["sessions", "workspace", "main", path, "--yes"]).await;
    let again = serving.cli(&["agent", "--message", "hello"]).await;

    for (told, what) in [(&gone, "It is gone"), (&replaced, "Another folder has its name now")] {
        assert!(told.contains(&format!("The workspace of this session, {path}, is not used")), "{told}");
        assert!(told.contains(what) && told.contains("choose another folder for this session"), "{told}");
    }
    assert!(!again.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn some_folders_are_never_a_sessions() {
    let serving = Serving::start().await;
    let state = serving.place.state_dir();
    for (folder, reason) in [
        (state.clone(), "Tidegate keeps its state there"),
        (serving.place.outside().to_owned(), "Your home directory lies in it"),
        (PathBuf::from("/"), "cannot be the workspace of a session"),
        (PathBuf::from("/usr/bin"), "your programs are found (PATH)"),
        (PathBuf::from("/etc/passwd"), "It is not a folder"),
    ] {
        let arguments = ["sessions", "workspace", "main", folder.to_str().unwrap(), "--yes"];
        let (code, told) = serving.try_cli(&arguments).await.unwrap_err();

        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(reason), "{}: {told}", folder.display());
    }
    assert_eq!(folder_of(&serving, "main").await, json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_agent_and_no_client_chooses_a_folder() {
    let serving = Serving::start().await;
    let (site, _) = site(&serving);
    let workspace = serving.workspace().canonicalize().unwrap();
    for (program, name) in [(BINARY, "tidegate"), (ATTEMPT, "attempt")] {
        fs::copy(program::built(program), workspace.join(name)).unwrap();
    }
    let params = json!({ "key": "main", "folder": site });
    let attack = |name: &str| {
        let (state, folder) = (serving.place.state_dir(), site.display());
        let state = state.display();
        format!(
            "./tidegate --state-dir '{state}' sessions workspace main '{folder}' --yes >{name}-cli.out 2>&1\n\
             echo $? >{name}-cli.code\n\
             ./attempt socket '{state}/control.sock' tidegate.sessions.workspace '{params}' >{name}-socket.out 2>&1\n"
        )
    };
    let read = |name: &str| fs::read_to_string(workspace.join(name)).unwrap();

    for (how, name) in [("/run", "inside"), ("/needs unconfined", "outside")] {
        fs::write(workspace.join("script.sh"), attack(name)).unwrap();
        runs(&serving, how, "sh ./script.sh").await;
    }
    let mut client = serving.connect(&[]).await.unwrap();
    let direct = client.request("tidegate.sessions.workspace", params.clone()).await;
    let message = format!("/workspace {}", site.display());
    let turn = json!({ "sessionKey": "main", "message": message, "idempotencyKey": "w1" });
    client.request("chat.send", turn).await.unwrap();
    let history = client.request("chat.history", json!({ "sessionKey": "main" })).await.unwrap();
    let patched =
        client.request("sessions.patch", json!({ "key": "main", "workspace": { "path": site } })).await;

    assert!(read("inside-cli.out").contains("is not running"), "{}", read("inside-cli.out"));
    assert!(!read("inside-socket.out").contains("welcome"), "{}", read("inside-socket.out"));
    assert_eq!(read("outside-cli.code").trim(), "4", "{}", read("outside-cli.out"));
    assert!(!read("outside-socket.out").contains("welcome"), "{}", read("outside-socket.out"));
    assert!(matches!(direct, Err(ClientError::Answer(_))), "{direct:?}");
    assert!(matches!(patched, Err(ClientError::Answer(_))), "{patched:?}");
    let told = history["messages"].as_array().unwrap().last().unwrap().to_string();
    assert!(told.contains("`tidegate sessions workspace agent:main:main "), "{told}");
    assert_eq!(folder_of(&serving, "main").await, json!(null));
}
