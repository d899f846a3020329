//! A confined command tries to reach the session of the person: each attempt succeeds where nothing confines
//! it, and none does from the sandbox.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

#[path = "../../../crates/tools/tests/common/mod.rs"]
mod common;
mod session;

use std::process::Command;

use common::{Fixture, free_port, tool_host};
use serde_json::json;
use session::{KEPT, Session};

/// Attempts in `attacks/session.py`, at least.
const ATTEMPTS: usize = 25;

struct Beside {
    session: Session,
    fixture: Fixture,
}

impl Beside {
    fn start() -> Self {
        let fixture = Fixture::new();
        let session = Session::start(&fixture);
        fixture.file("workspace/attempts.py", include_str!("../attacks/attempts.py"));
        fixture.file("workspace/session.py", include_str!("../attacks/session.py"));
        fixture.file("workspace/session.json", &session.known().to_string());
        std::fs::write(fixture.workspace().join("cookie"), session.cookie_file()).expect("written");
        Self { session, fixture }
    }

    /// What the attempts print, by a host that was started in the session.
    fn attack(&self, needs: &[&str]) -> String {
        let mut arguments = json!({"command": "python3 session.py session.json"});
        if !needs.is_empty() {
            arguments["needs"] = json!(needs);
            arguments["reason"] = json!("it attacks");
        }
        let output = Command::new(tool_host())
            .args([self.fixture.root.as_os_str(), "exec".as_ref(), arguments.to_string().as_ref()])
            .env_clear()
            .envs(self.session.variables())
            .output()
            .expect("the host ran");
        String::from_utf8(output.stdout).expect("text")
    }

    fn assert_out_of_reach(&self, needs: &[&str]) {
        let unconfined = self.attack(&["unconfined"]);
        assert_eq!(starting(&unconfined, "held"), [""; 0], "these attempts prove nothing: {unconfined}");
        assert!(starting(&unconfined, "FELL").len() >= ATTEMPTS, "{unconfined}");
        self.session.forget_what_was_done();
        let before = self.session.pointer();

        let confined = self.attack(needs);

        assert!(confined.contains("\ndone\n"), "the attempts did not come to their end: {confined}");
        assert_eq!(starting(&confined, "FELL"), [""; 0], "{confined}");
        assert_eq!(starting(&confined, "held").len(), starting(&unconfined, "FELL").len(), "{confined}");
        assert!(!confined.contains(KEPT), "{confined}");
        assert_eq!(self.session.done_for_somebody(), [""; 0]);
        assert_eq!(self.session.pointer(), before);
    }
}

fn starting<'a>(text: &'a str, beginning: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(beginning)).collect()
}

#[test]
fn a_contained_command_reaches_nothing_of_the_session() {
    Beside::start().assert_out_of_reach(&[]);
}

#[test]
fn granted_sockets_reach_nothing_of_the_session() {
    Beside::start().assert_out_of_reach(&["sockets"]);
}

#[test]
fn a_granted_network_reaches_nothing_of_the_session() {
    let port = format!("listen:{}", free_port());
    Beside::start().assert_out_of_reach(&["sockets", "network:example.org", &port]);
}
