//! Where our own session began outside of the PID namespace, the kernel has no number for it.

use std::process::Command;

use tidegate_peers::PeerLookup as _;
use tidegate_trust::origin::CommandsAlive;

use crate::support::{Running, adopt_orphans, eventually, quiet};

/// Runs a test of this file in a PID namespace of its own. As bubblewrap starts no session, there is none
/// inside.
fn passes_in_a_namespace(test: &str) {
    let mut bwrap = Command::new("bwrap");
    bwrap.args(["--unshare-pid", "--die-with-parent", "--bind", "/", "/", "--dev-bind", "/dev", "/dev"]);
    bwrap.args(["--proc", "/proc", "--"]).arg(std::env::current_exe().expect("a path"));
    bwrap.args(["--ignored", "--exact", test]);

    let output = bwrap.output().expect("bubblewrap is installed");

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn without_a_session_children_beside_us_are_no_strays() {
    passes_in_a_namespace("sessions::inside::children_beside_us_are_no_strays");
}

#[test]
fn without_a_session_children_that_leave_are_strays() {
    passes_in_a_namespace("sessions::inside::children_that_leave_are_strays");
}

/// These are run by those above.
mod inside {
    use super::*;

    fn has_no_session() {
        let stat = procfs::process::Process::myself().and_then(|own| own.stat()).expect("our entry");
        assert_eq!(stat.session, 0);
    }

    #[test]
    #[ignore = "needs a PID namespace of its own"]
    fn children_beside_us_are_no_strays() {
        has_no_session();
        adopt_orphans();
        let _helper = Running::start(&["stay"]);
        assert_eq!(quiet().commands(), CommandsAlive::None);
    }

    #[test]
    #[ignore = "needs a PID namespace of its own"]
    fn children_that_leave_are_strays() {
        has_no_session();
        adopt_orphans();
        let _stray = Running::start(&["leave", "stay"]);
        eventually("it leaves", || quiet().commands() == CommandsAlive::Beyond);
    }
}
