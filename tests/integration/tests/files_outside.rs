//! An agent asks for files outside its workspace, and the person decides at the command line, where no
//! desktop runs.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tidegate_integration_tests::place::Place;
use tidegate_integration_tests::program::{self, Program, choose_offline_model};

const BINARY: &str = "tidegate-under-test";

struct Scene {
    place: Arc<Place>,
    _program: Program,
}

impl Scene {
    async fn new() -> Self {
        let place = Arc::new(Place::new());
        choose_offline_model(&place.state_dir());
        let mut program = Program::start(BINARY, &place);
        program.ready().await;
        Self { place, _program: program }
    }

    async fn cli(&self, arguments: &[&str]) -> String {
        let output = program::run(BINARY, &self.place, arguments).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn waiting(&self) -> Vec<Value> {
        serde_json::from_str(&self.cli(&["approvals", "list", "--json"]).await).unwrap()
    }

    /// What the demo model says when it is told to do something, and what the person was shown before
    /// they decided.
    async fn decided(&self, message: String, decision: &[&str]) -> (String, String) {
        let place = Arc::clone(&self.place);
        let said =
            tokio::spawn(
                async move { program::run(BINARY, &place, &["agent", "--message", &message]).await },
            );
        let mut waiting = self.waiting().await;
        while waiting.is_empty() {
            assert!(!said.is_finished(), "it ended without a question");
            waiting = self.waiting().await;
        }
        let id = waiting[0]["id"].as_str().unwrap();
        let shown = self.cli(&["approvals", "show", id]).await;
        self.cli(&[&["approvals", decision[0], id], &decision[1..]].concat()).await;
        let output = said.await.unwrap();
        (String::from_utf8(output.stdout).unwrap(), shown)
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.place.outside().canonicalize().unwrap().join(name)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_decides_at_the_command_line_which_file_outside_is_read_and_written() {
    let scene = Scene::new().await;
    let file = scene.outside("notes.txt");
    fs::write(&file, "the tide turns at nine").unwrap();
    let path = file.display();

    let (read, shown_read) = scene.decided(format!("/read {path}"), &["allow", "--yes"]).await;
    let (refused, _) = scene.decided(format!("/read {path}"), &["deny"]).await;
    let (_, shown_write) = scene.decided(format!("/write {path} at ten"), &["allow", "--yes"]).await;
    let store = scene.place.state_dir().join("tidegate.sqlite");
    let own = scene.cli(&["agent", "--message", &format!("/read {}", store.display())]).await;

    assert!(read.contains("the tide turns at nine"), "{read}");
    assert!(shown_read.contains("wants to read this file") && shown_read.contains(&path.to_string()));
    assert!(refused.contains("a person refused it") && !refused.contains("the tide"), "{refused}");
    assert!(shown_write.contains("wants to replace this file") && shown_write.contains("| at ten"));
    assert_eq!(fs::read_to_string(&file).unwrap().trim(), "at ten");
    assert!(own.contains("is refused"), "{own}");
    let audit = scene.cli(&["audit"]).await;
    assert!(audit.contains("file.allowed") && audit.contains("file.denied"), "{audit}");
}
