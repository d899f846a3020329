//! An agent asks for files outside its workspace, and the person decides at the command line, where no
//! desktop runs.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;

use tidegate_integration_tests::serving::Serving;

/// What the demo model says when it has to do something, and what the person was shown before they
/// decided.
async fn decided(serving: &Serving, message: String, decision: &[&str]) -> (String, String) {
    let decide = async {
        let id = serving.waiting().await;
        let shown = serving.cli(&["approvals", "show", &id]).await;
        serving.cli(&[&["approvals", decision[0], &id], &decision[1..]].concat()).await;
        shown
    };
    serving.agent_says(&message, decide).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_decides_at_the_command_line_which_file_outside_is_read_and_written() {
    let serving = Serving::start().await;
    let file = serving.place.outside().canonicalize().unwrap().join("notes.txt");
    fs::write(&file, "the tide turns at nine").unwrap();
    let path = file.display();

    let (read, shown_read) = decided(&serving, format!("/read {path}"), &["allow", "--yes"]).await;
    let (refused, _) = decided(&serving, format!("/read {path}"), &["deny"]).await;
    let (_, shown_write) = decided(&serving, format!("/write {path} at ten"), &["allow", "--yes"]).await;
    let store = serving.place.state_dir().join("tidegate.sqlite");
    let own = serving.cli(&["agent", "--message", &format!("/read {}", store.display())]).await;

    assert!(read.contains("the tide turns at nine"), "{read}");
    assert!(shown_read.contains("wants to read this file") && shown_read.contains(&path.to_string()));
    assert!(refused.contains("a person refused it") && !refused.contains("the tide"), "{refused}");
    assert!(shown_write.contains("wants to replace this file") && shown_write.contains("| at ten"));
    assert_eq!(fs::read_to_string(&file).unwrap().trim(), "at ten");
    assert!(own.contains("is refused"), "{own}");
    let audit = serving.cli(&["audit"]).await;
    assert!(audit.contains("file.allowed") && audit.contains("file.denied"), "{audit}");
}
