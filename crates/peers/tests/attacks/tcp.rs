//! Connections over loopback beside commands, and of commands that hide them.

use std::fs;
use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;
use tidegate_peers::PeerLookup as _;
use tidegate_peers::commands::Reach;
use tidegate_trust::origin::{CommandsAlive, Peer};

use crate::support::{
    Listening, LocalListening, Running, Stranger, adopt_orphans, assert_identified, assert_tool, beside,
    eventually, later, own_user, quiet,
};

#[test]
fn a_client_beside_a_contained_command_is_identified() {
    let listening = Listening::start();
    let _client = Stranger::start(&["connect", &listening.port()]);
    let (socket, _stream) = listening.arrived();
    adopt_orphans();
    // As ours does, the launcher's child shows its descriptors to root alone.
    let launched = Running::start(&["leave", "hide", "plain", "stay"]);
    eventually("it shields itself", || is_shielded(launched.0.id()));
    let (peers, _running) = beside(Reach::Contained, Some(&launched));

    assert_eq!(peers.commands(), CommandsAlive::Contained);
    assert_eq!(peers.ancestry(&socket, later()), Peer::NotATool);
    assert_identified(&peers.program(&socket, later()));
}

/// Whether the process gave its entry to root, where that shows.
fn is_shielded(pid: u32) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    own_user() == 0 || fs::metadata(format!("/proc/{pid}/fd")).is_ok_and(|entry| entry.uid() == 0)
}

#[test]
fn a_client_while_a_command_starts_is_identified() {
    let listening = Listening::start();
    let _client = Stranger::start(&["connect", &listening.port()]);
    let (socket, _stream) = listening.arrived();
    adopt_orphans();
    let _starting = Running::start(&["leave", "hide", "stay"]);
    eventually("it leaves", || quiet().commands() == CommandsAlive::Beyond);
    let (peers, _running) = beside(Reach::Contained, None);

    assert_eq!(peers.commands(), CommandsAlive::Contained);
    assert_eq!(peers.ancestry(&socket, later()), Peer::NotATool);
}

#[test]
fn a_client_beside_a_command_that_is_not_contained_is_unidentified() {
    let listening = Listening::start();
    let _client = Stranger::start(&["connect", &listening.port()]);
    let (socket, _stream) = listening.arrived();
    let (peers, running) = beside(Reach::Beyond, None);
    assert_eq!(peers.commands(), CommandsAlive::Beyond);
    assert_eq!(peers.ancestry(&socket, later()), Peer::Unknown { uid: None });

    drop(running);

    assert_eq!(peers.commands(), CommandsAlive::None);
    assert_identified(&peers.program(&socket, later()));
}

/// A desktop starts programs that draw its windows.
#[test]
fn a_client_beside_a_child_in_our_own_session_is_identified() {
    let listening = Listening::start();
    let _client = Stranger::start(&["connect", &listening.port()]);
    let (socket, _stream) = listening.arrived();
    adopt_orphans();
    let _helper = Running::start(&["stay"]);

    assert_eq!(quiet().commands(), CommandsAlive::None);
    assert_identified(&quiet().program(&socket, later()));
}

#[test]
fn a_client_beside_a_child_that_nobody_noted_is_unidentified() {
    let listening = Listening::start();
    let _client = Stranger::start(&["connect", &listening.port()]);
    let (socket, _stream) = listening.arrived();
    adopt_orphans();
    let _stray = Running::start(&["leave", "stay"]);
    eventually("it leaves", || quiet().commands() == CommandsAlive::Beyond);

    assert_eq!(quiet().ancestry(&socket, later()), Peer::Unknown { uid: None });
}

#[test]
fn a_socket_parked_with_another_program_clears_nobody() {
    let (listening, place) = (Listening::start(), TempDir::new().expect("a directory"));
    let keeper = place.path().join("keeper");
    let keeper = keeper.to_str().expect("a path");
    let _keeping = Stranger::start(&["keep", keeper]);
    eventually("the keeper listens", || Path::new(keeper).exists());
    adopt_orphans();
    let mut command = Running::start(&["leave", "park", &listening.port(), keeper]);
    let (socket, _stream) = listening.arrived();
    command.says("given");
    let (noted, _running) = beside(Reach::Beyond, Some(&command));

    for peers in [&quiet(), &noted] {
        assert_eq!(peers.ancestry(&socket, later()), Peer::Unknown { uid: None });
        assert_eq!(peers.program(&socket, later()), Peer::Unknown { uid: None });
    }
}

#[test]
fn a_socket_that_lies_in_a_queue_clears_nobody() {
    let listening = Listening::start();
    adopt_orphans();
    let mut command = Running::start(&["leave", "queue", &listening.port()]);
    let (socket, _stream) = listening.arrived();
    command.says("given");
    let (noted, _running) = beside(Reach::Beyond, Some(&command));

    for peers in [&quiet(), &noted] {
        assert_eq!(peers.ancestry(&socket, later()), Peer::Unknown { uid: None });
        assert_eq!(peers.program(&socket, later()), Peer::Unknown { uid: None });
    }
}

#[test]
fn a_socket_that_nobody_has_open_is_unidentified_without_commands() {
    let listening = Listening::start();
    let _stranger = Stranger::start(&["queue", &listening.port()]);
    let (socket, _stream) = listening.arrived();
    eventually("nobody has it open", || quiet().program(&socket, later()) == Peer::Unknown { uid: None });
}

#[test]
fn a_command_that_connects_is_a_tool_whatever_was_noted() {
    for reach in [Reach::Contained, Reach::Beyond] {
        let listening = Listening::start();
        adopt_orphans();
        let launched = Running::start(&["plain", "connect", &listening.port()]);
        let (socket, _stream) = listening.arrived();
        let (peers, _running) = beside(reach, Some(&launched));
        assert_tool(&peers.ancestry(&socket, later()));
        assert_tool(&peers.program(&socket, later()));
    }
}

#[test]
fn a_command_that_shields_itself_is_cleared_by_nobody() {
    let listening = Listening::start();
    adopt_orphans();
    let launched = Running::start(&["plain", "hide", "connect", &listening.port()]);
    let (socket, _stream) = listening.arrived();
    let (peers, _running) = beside(Reach::Beyond, Some(&launched));

    let found = peers.program(&socket, later());

    // Root sees that it has the socket.
    assert!(matches!(found, Peer::Unknown { .. } | Peer::Tool { .. }), "{found:?}");
    assert_eq!(own_user() == 0, matches!(found, Peer::Tool { .. }), "{found:?}");
}

#[test]
fn a_command_of_a_tidegate_that_is_gone_stays_a_tool() {
    let listening = Listening::start();
    let port = listening.port();
    let left = Stranger::with("/usr/bin/tidegate", &["run-tool", "/nowhere", "connect", &port], None);
    let (socket, _stream) = listening.arrived();

    assert_tool(&quiet().program(&socket, later()));
    assert_tool(&beside(Reach::Beyond, None).0.ancestry(&socket, later()));
    drop(left);
}

#[test]
fn a_program_without_new_privileges_is_unidentified_and_no_tool() {
    let (listening, local) = (Listening::start(), LocalListening::start());
    let _client = Stranger::start(&["no-new-privs", "connect", &listening.port()]);
    let (socket, _stream) = listening.arrived();
    assert_eq!(quiet().program(&socket, later()), Peer::Unknown { uid: None });

    let _on_the_socket = Stranger::start(&["no-new-privs", "unix", local.path()]);
    let (socket, _stream) = local.arrived();
    assert_eq!(quiet().program(&socket, later()), Peer::Unknown { uid: None });
}

#[test]
fn what_a_program_without_new_privileges_started_is_unidentified() {
    let local = LocalListening::start();
    let _client = Stranger::start(&["no-new-privs", "plain", "unix", local.path()]);
    let (socket, _stream) = local.arrived();
    assert_eq!(quiet().program(&socket, later()), Peer::Unknown { uid: None });
}

#[test]
fn what_is_not_known_at_the_deadline_is_unidentified() {
    let listening = Listening::start();
    let _client = Stranger::start(&["connect", &listening.port()]);
    let (socket, _stream) = listening.arrived();
    assert_eq!(quiet().program(&socket, Instant::now()), Peer::Unknown { uid: None });
}
