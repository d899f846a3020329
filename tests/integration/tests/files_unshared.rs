//! Files of the workspace that a store holds as well: commands only read them until the person unshares
//! them, which no agent and no client can do.

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

/// A file of a store, and its name in the workspace.
fn link(serving: &Serving) -> PathBuf {
    let store = serving.place.outside().join("lib.py");
    fs::write(&store, "of the store\n").unwrap();
    fs::create_dir_all(serving.workspace().join("node_modules/a")).unwrap();
    fs::hard_link(&store, serving.workspace().join("node_modules/a/lib.py")).unwrap();
    store
}

/// Runs a script as a command of the agent that the person allows; gives what they were shown, and what
/// the agent says.
async fn runs(serving: &Serving, how: &str, script: &str) -> (String, String) {
    fs::write(serving.workspace().join("script.sh"), script).unwrap();
    let allow = async {
        let id = serving.waiting().await;
        let shown = serving.cli(&["approvals", "show", &id]).await;
        serving.cli(&["approvals", "allow", &id, "--yes"]).await;
        shown
    };
    let (said, shown) = serving.agent_says(&format!("{how} sh ./script.sh"), allow).await;
    (shown, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_files_are_named_and_held_until_the_person_unshares_them() {
    let serving = Serving::start().await;
    let store = link(&serving);
    let workspace = serving.workspace().canonicalize().unwrap().display().to_string();
    const WRITE: &str = "echo mine > node_modules/a/lib.py\n";

    let (shown, refused) = runs(&serving, "/run", WRITE).await;
    let unasked = serving.try_cli(&["files", "unshare", &workspace]).await.unwrap_err().1;
    let unshared = serving.cli(&["files", "unshare", &workspace, "--yes"]).await;
    let (shown_then, written) = runs(&serving, "/run", WRITE).await;
    let again = serving.cli(&["files", "unshare", &workspace, "--yes"]).await;

    let sentence =
        "1 file is shared with other folders by a hard link (node_modules/a/lib.py): it cannot change that.";
    assert!(shown.contains(sentence), "{shown}");
    assert!(refused.contains("Read-only file system"), "{refused}");
    assert!(refused.contains(&format!("tidegate files unshare {workspace}")), "{refused}");
    assert!(unasked.contains("no terminal to ask in"), "{unasked}");
    assert!(
        unshared.contains("  | node_modules/a/lib.py\n") && unshared.contains("Unshared 1 file."),
        "{unshared}"
    );
    assert!(!shown_then.contains("shared with other folders"), "{shown_then}");
    assert!(!written.contains("Read-only"), "{written}");
    assert_eq!(fs::read_to_string(serving.workspace().join("node_modules/a/lib.py")).unwrap(), "mine\n");
    assert_eq!(fs::read_to_string(store).unwrap(), "of the store\n");
    assert!(again.contains("No file in this folder is shared"), "{again}");
    let audit = serving.cli(&["audit"]).await;
    assert!(audit.contains(&format!("files.unshared folder={workspace} files=1")), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_agent_and_no_client_unshares_files() {
    let serving = Serving::start().await;
    let store = link(&serving);
    let workspace = serving.workspace().canonicalize().unwrap();
    let state = serving.place.state_dir();
    for (program, name) in [(BINARY, "tidegate"), (ATTEMPT, "attempt")] {
        fs::copy(program::built(program), workspace.join(name)).unwrap();
    }
    let params = json!({ "folder": workspace, "apply": true });
    let attack = |name: &str| {
        let (state, folder) = (state.display(), workspace.display());
        format!(
            "./tidegate --state-dir '{state}' files unshare '{folder}' --yes >{name}-cli.out 2>&1; echo $? >{name}-cli.code\n\
             ./attempt socket '{state}/control.sock' tidegate.files.unshare '{params}' >{name}-socket.out 2>&1\n"
        )
    };
    let read = |name: &str| fs::read_to_string(workspace.join(name)).unwrap();

    runs(&serving, "/run", &attack("inside")).await;
    runs(&serving, "/needs unconfined", &attack("outside")).await;
    let mut client = serving.connect(&[]).await.unwrap();
    let refused = client.request("tidegate.files.unshare", params.clone()).await;

    assert!(matches!(refused, Err(ClientError::Answer(_))), "{refused:?}");
    assert!(read("inside-cli.out").contains("is not running"), "{}", read("inside-cli.out"));
    assert!(!read("inside-socket.out").contains("welcome"), "{}", read("inside-socket.out"));
    assert_eq!(read("outside-cli.code").trim(), "4", "{}", read("outside-cli.out"));
    let told = read("outside-socket.out");
    assert!(told.contains("tidegate.refused") && !told.contains("welcome"), "{told}");
    let (kept, shared) =
        (fs::metadata(store).unwrap(), fs::metadata(workspace.join("node_modules/a/lib.py")).unwrap());
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!((kept.ino(), kept.nlink()), (shared.ino(), 2), "they are one file still");
}
