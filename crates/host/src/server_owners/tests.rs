#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use super::*;

#[test]
fn own_and_system_programs_are_reported_from_others() {
    for (user, is_own_user, kin, expected) in [
        (1000, true, Kin::None, Standing::OwnUser),
        (1000, true, Kin::Tool, Standing::Tool),
        (1000, true, Kin::Unidentified, Standing::Unidentified),
        (998, false, Kin::None, Standing::SystemAccount),
        (0, false, Kin::None, Standing::SystemAccount),
        (0, true, Kin::None, Standing::OwnUser),
        (1001, false, Kin::None, Standing::OtherUser),
        (65_534, false, Kin::None, Standing::OtherUser),
        (998, false, Kin::Unidentified, Standing::Unidentified),
        (1001, false, Kin::Tool, Standing::Tool),
    ] {
        let owner = PortOwner { program: None, pid: None, user, is_own_user, kin };
        assert_eq!(standing(&owner), expected, "{owner:?}");
    }
}

/// Keeps a listening socket open, as its standard input, until this is dropped.
struct Listener {
    program: std::process::Child,
    /// What it reads from; its end ends it.
    _line: UnixStream,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.program.kill().expect("killed");
        self.program.wait().expect("ended");
    }
}

impl Listener {
    /// `script` is bash's; by its first word it tells that it is ready, then it waits.
    fn start(socket: &TcpListener, script: &str) -> Self {
        let (line, theirs) = UnixStream::pair().expect("a pair");
        let socket = socket.try_clone().expect("a copy");
        let program = Command::new("bash")
            .args(["-c", &format!("{script}; echo ready; read -u 1 -r")])
            .stdin(Stdio::from(OwnedFd::from(socket)))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .expect("bash");
        let mut word = String::new();
        BufReader::new(&line).read_line(&mut word).expect("a word");
        assert_eq!(word, "ready\n");
        Self { program, _line: line }
    }
}

fn listening_at(address: &str) -> (TcpListener, u16) {
    let socket = TcpListener::bind(address).expect("a port");
    let port = socket.local_addr().expect("an address").port();
    (socket, port)
}

fn owner_of(port: u16) -> ServerOwner {
    match ProcessTable.owner(port) {
        Owner::Is(owner) => owner,
        other => panic!("no owner: {other:?}"),
    }
}

fn standing_of(port: u16) -> Standing {
    owner_of(port).standing
}

#[test]
fn a_server_that_a_tool_opens_is_a_tools() {
    let (socket, port) = listening_at("127.0.0.1:0");
    let own = owner_of(port);
    assert_eq!(own.standing, Standing::OwnUser);

    let tool = Listener::start(&socket, ":");
    drop(socket);

    let found = owner_of(port);
    assert_eq!(found.standing, Standing::Tool, "{found}");
    assert!(found.to_string().contains(&format!("process {}", tool.program.id())), "{found}");
}

#[test]
fn a_tool_whose_name_is_no_text_is_a_tool() {
    let (socket, port) = listening_at("127.0.0.1:0");
    let _tool = Listener::start(&socket, r"printf '\377' > /proc/$$/comm");
    drop(socket);

    assert_eq!(standing_of(port), Standing::Tool);
}

#[test]
fn a_tool_that_shares_the_socket_is_a_tool() {
    let (socket, port) = listening_at("127.0.0.1:0");
    let _tool = Listener::start(&socket, ":");

    assert_eq!(standing_of(port), Standing::Tool);
}

#[test]
fn a_tool_beside_another_server_on_the_port_is_a_tool() {
    let (_other, port) = listening_at("127.0.0.1:0");
    let (socket, _) = listening_at(&format!("[::1]:{port}"));
    let _tool = Listener::start(&socket, ":");
    drop(socket);

    assert_eq!(standing_of(port), Standing::Tool);
}

#[test]
fn a_tool_that_listens_at_a_mapped_address_is_a_tool() {
    let (socket, port) = listening_at("[::ffff:127.0.0.1]:0");
    let _tool = Listener::start(&socket, ":");
    drop(socket);

    assert_eq!(standing_of(port), Standing::Tool);
}
