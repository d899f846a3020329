//! Connections over loopback beside commands, and of commands that hide them.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use tempfile::TempDir;
use tidegate_peers::commands::{Reach, RunningCommands};
use tidegate_peers::{KernelPeers, LocalSocket, PeerLookup as _};
use tidegate_trust::origin::{CommandsAlive, Peer};

use crate::support::{
    Listening, LocalListening, Running, Stranger, adopt_orphans, assert_identified, assert_tool, beside,
    eventually, later, own_user, quiet,
};

/// A connection over loopback, and the program that opened it.
struct Connection<P> {
    program: P,
    socket: LocalSocket,
    _stream: TcpStream,
}

impl<P> Connection<P> {
    /// Starts the program with a port to connect to, and waits for it.
    fn of(start: impl FnOnce(&str) -> P) -> Self {
        let listening = Listening::start();
        let program = start(&listening.port());
        let (socket, stream) = listening.arrived();
        Self { program, socket, _stream: stream }
    }
}

/// A program beside this one. To be called before this process adopts orphans.
fn client() -> Connection<Stranger> {
    Connection::of(|port| Stranger::start(&["connect", port]))
}

/// Whether or not the command was noted.
#[track_caller]
fn assert_not_cleared(command: &Connection<Running>) {
    let (noted, _running) = beside(Reach::Beyond, Some(&command.program));
    for peers in [&quiet(), &noted] {
        assert_eq!(peers.ancestry(&command.socket, later()), Peer::Unknown { uid: None });
        assert_eq!(peers.program(&command.socket, later()), Peer::Unknown { uid: None });
    }
}

#[test]
fn a_client_beside_a_contained_command_is_identified() {
    let client = client();
    adopt_orphans();
    // As ours does, the launcher's child shows its descriptors to root alone.
    let launched = Running::start(&["leave", "hide", "plain", "stay"]);
    eventually("it shields itself", || is_shielded(launched.0.id()));
    let (peers, _running) = beside(Reach::Contained, Some(&launched));

    assert_eq!(peers.commands(), CommandsAlive::Contained);
    assert_eq!(peers.ancestry(&client.socket, later()), Peer::NotATool);
    assert_identified(&peers.program(&client.socket, later()));
}

/// Whether the process gave its entry to root, where that shows.
fn is_shielded(pid: u32) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    own_user() == 0 || fs::metadata(format!("/proc/{pid}/fd")).is_ok_and(|entry| entry.uid() == 0)
}

/// So that many clients beside commands cost one look.
#[test]
fn what_a_look_found_counts_until_an_uncontained_command_ends() {
    let client = client();
    adopt_orphans();
    let launched = Running::start(&["leave", "stay"]);
    eventually("it leaves", || quiet().commands() == CommandsAlive::Beyond);
    let commands = RunningCommands::default();
    let contained = commands.begin(Reach::Contained);
    contained.launched(launched.0.id());
    let peers = KernelPeers::new(Vec::new(), commands.clone());
    assert_eq!((peers.commands_at_once(), peers.ancestry_at_once(&client.socket)), (None, None));

    assert_eq!(peers.commands(), CommandsAlive::Contained);

    assert_eq!(peers.commands_at_once(), Some(CommandsAlive::Contained));
    assert_eq!(peers.ancestry_at_once(&client.socket), Some(Peer::NotATool));
    let local = LocalListening::start();
    let _connected = UnixStream::connect(local.path()).expect("connected");
    assert_eq!(peers.ancestry_at_once(&local.arrived().0), None);

    let beyond = commands.begin(Reach::Beyond);
    assert_eq!(peers.commands_at_once(), Some(CommandsAlive::Beyond));
    let _left_behind = Running::start(&["leave", "stay"]);
    drop(beyond);

    assert_eq!(peers.commands_at_once(), None);
    eventually("what it left counts", || peers.commands() == CommandsAlive::Beyond);
    assert_eq!(peers.ancestry(&client.socket, later()), Peer::Unknown { uid: None });
}

#[test]
fn a_process_that_nobody_noted_counts_soon_after_a_look() {
    adopt_orphans();
    let launched = Running::start(&["leave", "stay"]);
    eventually("it leaves", || quiet().commands() == CommandsAlive::Beyond);
    let (peers, _running) = beside(Reach::Contained, Some(&launched));
    assert_eq!(peers.commands(), CommandsAlive::Contained);

    let _stray = Running::start(&["leave", "stay"]);

    eventually("it counts", || peers.commands() == CommandsAlive::Beyond);
}

/// A child has copies of all that this process has open until it runs its program.
#[test]
fn a_connection_of_ours_that_a_child_has_too_is_ours() {
    let listening = Listening::start();
    let mut ours = TcpStream::connect(format!("127.0.0.1:{}", listening.port())).expect("connected");
    ours.write_all(b"hello\n").expect("written");
    let (socket, _stream) = listening.arrived();
    adopt_orphans();
    let mut child = Command::new("sleep");
    let child = child.arg("1000").stdin(OwnedFd::from(ours.try_clone().expect("a copy"))).spawn();
    let _child = Running(child.expect("sleep"));

    assert_eq!(quiet().ancestry(&socket, later()), Peer::NotATool);
    assert_identified(&quiet().program(&socket, later()));
}

#[test]
fn a_client_while_a_command_starts_is_identified() {
    let client = client();
    adopt_orphans();
    let _starting = Running::start(&["leave", "hide", "stay"]);
    eventually("it leaves", || quiet().commands() == CommandsAlive::Beyond);
    let (peers, _running) = beside(Reach::Contained, None);

    assert_eq!(peers.commands(), CommandsAlive::Contained);
    assert_eq!(peers.ancestry(&client.socket, later()), Peer::NotATool);
}

#[test]
fn a_client_beside_a_command_that_is_not_contained_is_unidentified() {
    let client = client();
    let (peers, running) = beside(Reach::Beyond, None);
    assert_eq!(peers.commands(), CommandsAlive::Beyond);
    assert_eq!(peers.ancestry(&client.socket, later()), Peer::Unknown { uid: None });

    drop(running);

    assert_eq!(peers.commands(), CommandsAlive::None);
    assert_identified(&peers.program(&client.socket, later()));
}

/// A desktop starts programs that draw its windows.
#[test]
fn a_client_beside_a_child_in_our_own_session_is_identified() {
    let client = client();
    adopt_orphans();
    let _helper = Running::start(&["stay"]);

    assert_eq!(quiet().commands(), CommandsAlive::None);
    assert_identified(&quiet().program(&client.socket, later()));
}

#[test]
fn a_client_beside_a_child_that_nobody_noted_is_unidentified() {
    let client = client();
    adopt_orphans();
    let _stray = Running::start(&["leave", "stay"]);
    eventually("it leaves", || quiet().commands() == CommandsAlive::Beyond);

    assert_eq!(quiet().ancestry(&client.socket, later()), Peer::Unknown { uid: None });
}

#[test]
fn a_socket_parked_with_another_program_clears_nobody() {
    let place = TempDir::new().expect("a directory");
    let keeper = place.path().join("keeper");
    let keeper = keeper.to_str().expect("a path");
    let _keeping = Stranger::start(&["keep", keeper]);
    eventually("the keeper listens", || Path::new(keeper).exists());
    adopt_orphans();
    let mut command = Connection::of(|port| Running::start(&["leave", "park", port, keeper]));
    command.program.says("given");

    assert_not_cleared(&command);
}

#[test]
fn a_socket_that_lies_in_a_queue_clears_nobody() {
    adopt_orphans();
    let mut command = Connection::of(|port| Running::start(&["leave", "queue", port]));
    command.program.says("given");

    assert_not_cleared(&command);
}

#[test]
fn a_socket_that_nobody_has_open_is_unidentified_without_commands() {
    let client = Connection::of(|port| Stranger::start(&["queue", port]));
    eventually("nobody has it open", || {
        quiet().program(&client.socket, later()) == Peer::Unknown { uid: None }
    });
}

#[test]
fn a_command_that_connects_is_a_tool_whatever_was_noted() {
    for reach in [Reach::Contained, Reach::Beyond] {
        adopt_orphans();
        let command = Connection::of(|port| Running::start(&["plain", "connect", port]));
        let (peers, _running) = beside(reach, Some(&command.program));
        assert_tool(&peers.ancestry(&command.socket, later()));
        assert_tool(&peers.program(&command.socket, later()));
    }
}

#[test]
fn a_command_that_shields_itself_is_cleared_by_nobody() {
    adopt_orphans();
    let command = Connection::of(|port| Running::start(&["plain", "hide", "connect", port]));
    let (peers, _running) = beside(Reach::Beyond, Some(&command.program));

    let found = peers.program(&command.socket, later());

    // Root sees that it has the socket.
    assert!(matches!(found, Peer::Unknown { .. } | Peer::Tool { .. }), "{found:?}");
    assert_eq!(own_user() == 0, matches!(found, Peer::Tool { .. }), "{found:?}");
}

#[test]
fn a_command_of_a_tidegate_that_is_gone_stays_a_tool() {
    let left = Connection::of(|port| {
        Stranger::with("/usr/bin/tidegate", &["run-tool", "/nowhere", "connect", port], None)
    });

    assert_tool(&quiet().program(&left.socket, later()));
    assert_tool(&beside(Reach::Beyond, None).0.ancestry(&left.socket, later()));
}

#[test]
fn a_program_without_new_privileges_is_unidentified_and_no_tool() {
    let client = Connection::of(|port| Stranger::start(&["no-new-privs", "connect", port]));
    assert_eq!(quiet().program(&client.socket, later()), Peer::Unknown { uid: None });

    let local = LocalListening::start();
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
    let client = client();
    assert_eq!(quiet().program(&client.socket, Instant::now()), Peer::Unknown { uid: None });
}
