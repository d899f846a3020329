//! Who is at the other end of a local connection: real processes that connect, hide and die.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidegate_peers::commands::{Reach, RunningCommand, RunningCommands};
use tidegate_peers::{KernelPeers, LocalSocket, PeerLookup as _};
use tidegate_trust::origin::Peer;
use tidegate_trust::program::{Ephemeral, Program};

/// What a client does in bash: connect, say hello, and stay until the other end closes.
const CONNECT: &str = "exec 3<>/dev/tcp/127.0.0.1/$PORT; echo hello >&3; read -u 3 end";

struct Listening {
    listener: TcpListener,
}

/// A connection that came in. The client ends when this is dropped.
struct Arrived {
    socket: LocalSocket,
    stream: TcpStream,
}

impl Listening {
    fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").expect("a port") }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().expect("an address").port()
    }

    fn bash(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", script]).env("PORT", self.port().to_string()).stdout(Stdio::null());
        // Cargo sets it for tests, and it makes a program one that loads other code.
        command.env_remove("LD_LIBRARY_PATH");
        command
    }

    /// Waits for a client and its first word, so that it is past connecting.
    fn arrived(&self) -> Arrived {
        let (mut stream, peer) = self.listener.accept().expect("a client");
        let mut hello = [0; 6];
        stream.read_exact(&mut hello).expect("a word");
        let local = stream.local_addr().expect("an address");
        Arrived { socket: LocalSocket::Tcp { peer, local }, stream }
    }
}

fn adopt_orphans() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("a subreaper");
}

fn peers() -> KernelPeers {
    KernelPeers::new(Vec::new(), RunningCommands::default())
}

/// While nothing runs but a command that has no way to the gateway.
fn peers_beside_contained(command: &Child) -> (KernelPeers, RunningCommand) {
    let commands = RunningCommands::default();
    let running = commands.begin(Reach::Contained);
    running.launched(command.id());
    (KernelPeers::new(Vec::new(), commands), running)
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn ancestry(arrived: &Arrived) -> Peer {
    peers().ancestry(&arrived.socket, later())
}

fn program_of(arrived: &Arrived) -> Peer {
    peers().program(&arrived.socket, later())
}

#[track_caller]
fn assert_tool(peer: &Peer, command_holds: &str) {
    match peer {
        Peer::Tool { command } => assert!(command.contains(command_holds), "{command}"),
        other => panic!("not a tool: {other:?}"),
    }
}

#[track_caller]
fn program(peer: Peer) -> Program {
    match peer {
        Peer::Process { same_user: true, program: Some(program), .. } => program,
        other => panic!("no program: {other:?}"),
    }
}

fn end(mut child: Child) {
    // It may have ended by itself.
    let _ = child.kill();
    child.wait().expect("it ends");
}

/// A directory where no agent may write and that is not a temporary one.
fn own_place() -> TempDir {
    let test = std::env::current_exe().expect("a path");
    TempDir::new_in(test.parent().expect("a directory")).expect("a directory")
}

fn write_script(place: &Path, name: &str, text: &str) -> PathBuf {
    let path = place.join(name);
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made executable");
    path
}

/// Starts a program that does not descend from this process: its parent ends before this process
/// adopts orphans. It ends when its connection does.
fn start_stranger(listening: &Listening, place: &Path, command: &str) -> Arrived {
    let status = listening.bash(&format!("{command} &")).current_dir(place).stdin(Stdio::null()).status();
    assert!(status.expect("bash").success());
    let arrived = listening.arrived();
    adopt_orphans();
    arrived
}

#[test]
fn a_child_that_connects_is_a_tool() {
    adopt_orphans();
    let listening = Listening::start();
    let child = listening.bash(CONNECT).spawn().expect("bash");
    let arrived = listening.arrived();
    assert_tool(&ancestry(&arrived), "/dev/tcp");
    assert_tool(&program_of(&arrived), "/dev/tcp");
    drop(arrived);
    end(child);
}

#[test]
fn a_tool_that_leaves_its_session_and_its_parent_stays_a_tool() {
    adopt_orphans();
    let listening = Listening::start();
    let double_fork = format!("setsid bash -c '(({CONNECT}) &) ; exit 0' & exit 0");
    assert!(listening.bash(&double_fork).status().expect("bash").success());
    let arrived = listening.arrived();
    assert_tool(&ancestry(&arrived), "bash");
}

#[test]
fn a_connection_that_was_left_to_another_tool_is_a_tools() {
    adopt_orphans();
    let listening = Listening::start();
    // The one that it is left to never becomes another program: its command line is there at once.
    let leave = format!("{CONNECT} &");
    assert!(listening.bash(&leave).status().expect("bash").success());
    let arrived = listening.arrived();
    assert_tool(&ancestry(&arrived), "/dev/tcp");
}

#[test]
fn a_tool_without_a_command_line_is_called_by_the_name_that_the_kernel_has() {
    adopt_orphans();
    let listening = Listening::start();
    let nameless = "exec 3<>/dev/tcp/127.0.0.1/$PORT; echo hello >&3; exec -a '' cat <&3 >&3";
    let child = listening.bash(nameless).spawn().expect("bash");
    let mut arrived = listening.arrived();
    let mut echo = [0; 6];
    arrived.stream.write_all(b"still\n").expect("sent");
    arrived.stream.read_exact(&mut echo).expect("cat runs by now");
    assert_tool(&ancestry(&arrived), &format!("cat (process {})", child.id()));
    drop(arrived);
    end(child);
}

#[test]
fn a_tool_that_is_gone_when_it_is_looked_up_is_not_cleared_by_that() {
    adopt_orphans();
    let listening = Listening::start();
    let hit_and_run = "exec 3<>/dev/tcp/127.0.0.1/$PORT; echo hello >&3";
    assert!(listening.bash(hit_and_run).status().expect("bash").success());
    let arrived = listening.arrived();
    assert_eq!(ancestry(&arrived), Peer::Unknown { uid: None });
    assert_eq!(program_of(&arrived), Peer::Unknown { uid: None });
}

#[test]
fn this_process_is_no_tool_with_and_without_children() {
    adopt_orphans();
    let listening = Listening::start();
    let mut client = TcpStream::connect(("127.0.0.1", listening.port())).expect("connected");
    client.write_all(b"hello\n").expect("sent");
    let arrived = listening.arrived();
    assert_eq!(ancestry(&arrived), Peer::NotATool);
    let busy = Command::new("sleep").arg("1000").spawn().expect("sleep");
    assert_eq!(ancestry(&arrived), Peer::NotATool);
    end(busy);
    let own = program(program_of(&arrived));
    assert_eq!(own.pid, std::process::id());
    assert_eq!(own.identity.executable, std::env::current_exe().expect("a path"));
    assert_eq!(own.identity.script, None);
}

#[test]
fn a_child_that_was_not_reaped_yet_keeps_nobody_out() {
    adopt_orphans();
    let listening = Listening::start();
    let mut client = TcpStream::connect(("127.0.0.1", listening.port())).expect("connected");
    client.write_all(b"hello\n").expect("sent");
    let arrived = listening.arrived();
    let mut ended = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat");
    drop(ended.stdin.take());
    let mut output = Vec::new();
    ended.stdout.take().expect("a pipe").read_to_end(&mut output).expect("the end");
    assert_eq!(ancestry(&arrived), Peer::NotATool);
    end(ended);
}

#[test]
fn a_connection_that_nobody_has_is_unknown() {
    let listening = Listening::start();
    let nobody = LocalSocket::Tcp {
        peer: ([127, 0, 0, 1], 1).into(),
        local: listening.listener.local_addr().expect("an address"),
    };
    assert_eq!(peers().ancestry(&nobody, later()), Peer::Unknown { uid: None });
    assert_eq!(peers().program(&nobody, later()), Peer::Unknown { uid: None });
    assert_eq!(KernelPeers::user(&nobody), None);
}

#[test]
fn a_process_beside_this_one_is_no_tool_and_its_script_is_found() {
    let (listening, place) = (Listening::start(), own_place());
    let script = write_script(place.path(), "client.sh", CONNECT);
    symlink(&script, place.path().join("alias")).expect("a link");
    let arrived = start_stranger(&listening, place.path(), "bash ./alias one two");
    let busy = Command::new("sleep").arg("1000").spawn().expect("sleep");
    let (peers, _running) = peers_beside_contained(&busy);
    assert_eq!(peers.ancestry(&arrived.socket, later()), Peer::NotATool);
    let found = program(peers.program(&arrived.socket, later()));
    assert_eq!(found.identity.script, Some(script.canonicalize().expect("a path")));
    assert_eq!(found.identity.executable.file_name().and_then(|name| name.to_str()), Some("bash"));
    assert_eq!(found.identity.uid, rustix::process::geteuid().as_raw());
    assert_eq!(found.ephemeral, None);
    end(busy);
}

/// Only root starts processes of another user.
mod as_root {
    use super::*;

    const NOBODY: u32 = 65_534;

    #[test]
    #[ignore = "needs root"]
    fn another_user_of_this_computer_is_known_as_such_and_no_tool() {
        let listening = Listening::start();
        let client = format!("setpriv --reuid={NOBODY} --clear-groups bash -c '{CONNECT}'");
        let arrived = start_stranger(&listening, Path::new("/"), &client);
        assert_eq!(KernelPeers::user(&arrived.socket), Some(NOBODY));
        assert_eq!(ancestry(&arrived), Peer::NotATool);
        match program_of(&arrived) {
            Peer::Process { uid, same_user, .. } => assert_eq!((uid, same_user), (NOBODY, false)),
            other => panic!("{other:?}"),
        }
    }

    /// The same, started by us: another user's clothes make a tool no stranger.
    #[test]
    #[ignore = "needs root"]
    fn a_tool_that_became_another_user_stays_a_tool() {
        adopt_orphans();
        let listening = Listening::start();
        let client = format!("setpriv --reuid={NOBODY} --clear-groups bash -c '{CONNECT}'");
        let double_fork = format!("setsid bash -c \"({client}) &\" & exit 0");
        assert!(listening.bash(&double_fork).status().expect("bash").success());
        let arrived = listening.arrived();
        assert_tool(&ancestry(&arrived), "bash");
    }
}

#[test]
fn code_on_the_command_line_gets_no_lasting_grant() {
    let (listening, place) = (Listening::start(), own_place());
    let arrived = start_stranger(&listening, place.path(), &format!("bash -c '{CONNECT}'"));
    assert_eq!(program(program_of(&arrived)).ephemeral, Some(Ephemeral::InlineCode));
}

fn assert_loads_other_code(variable: &str) {
    let (listening, place) = (Listening::start(), own_place());
    write_script(place.path(), "client.sh", CONNECT);
    let arrived = start_stranger(&listening, place.path(), &format!("{variable} bash client.sh"));
    let found = program(program_of(&arrived));
    assert_eq!(found.ephemeral, Some(Ephemeral::Preload), "{variable}");
}

#[test]
fn a_program_that_loads_other_code_first_gets_no_lasting_grant() {
    assert_loads_other_code("BASH_ENV=/dev/null");
}

#[test]
fn a_program_whose_libraries_lie_elsewhere_gets_no_lasting_grant() {
    assert_loads_other_code("LD_LIBRARY_PATH=/nowhere");
}

#[test]
fn a_script_where_an_agent_may_write_gets_no_lasting_grant() {
    let (listening, place) = (Listening::start(), own_place());
    write_script(place.path(), "client.sh", CONNECT);
    let arrived = start_stranger(&listening, place.path(), "bash client.sh");
    let peers = KernelPeers::new(vec![place.path().to_owned()], RunningCommands::default());
    assert_eq!(program(peers.program(&arrived.socket, later())).ephemeral, Some(Ephemeral::WritableByAgent));
}

#[test]
fn a_script_where_an_agent_may_write_by_now_gets_no_lasting_grant() {
    let (listening, place) = (Listening::start(), own_place());
    write_script(place.path(), "client.sh", CONNECT);
    let arrived = start_stranger(&listening, place.path(), "bash client.sh");
    let peers = peers();
    let grant = |peers: &KernelPeers| program(peers.program(&arrived.socket, later())).ephemeral;
    assert_eq!(grant(&peers), None);

    peers.add_agent_writable(place.path());

    assert_eq!(grant(&peers), Some(Ephemeral::WritableByAgent));
}

#[test]
fn a_script_where_a_command_could_write_gets_no_lasting_grant() {
    let (listening, place) = (Listening::start(), own_place());
    write_script(place.path(), "client.sh", CONNECT);
    let arrived = start_stranger(&listening, place.path(), "bash client.sh");
    let commands = RunningCommands::default();
    let peers = KernelPeers::new(Vec::new(), commands.clone());
    let grant = |peers: &KernelPeers| program(peers.program(&arrived.socket, later())).ephemeral;
    assert_eq!(grant(&peers), None);

    commands.note_written([&place.path().canonicalize().expect("real")]);

    assert_eq!(grant(&peers), Some(Ephemeral::WritableByAgent), "also when the command has ended");
}

#[test]
fn a_script_in_the_temporary_directory_gets_no_lasting_grant() {
    let (listening, place) = (Listening::start(), TempDir::new_in("/tmp").expect("a directory"));
    write_script(place.path(), "client.sh", CONNECT);
    let arrived = start_stranger(&listening, place.path(), "bash client.sh");
    assert_eq!(program(program_of(&arrived)).ephemeral, Some(Ephemeral::WritableByAgent));
}

#[test]
fn a_program_whose_file_was_removed_gets_no_lasting_grant() {
    let (listening, place) = (Listening::start(), own_place());
    let copy = place.path().join("bash");
    fs::copy("/bin/bash", &copy).expect("copied");
    write_script(place.path(), "client.sh", CONNECT);
    let arrived = start_stranger(&listening, place.path(), "./bash client.sh");
    fs::remove_file(&copy).expect("removed");
    let found = program(program_of(&arrived));
    assert_eq!(found.ephemeral, Some(Ephemeral::Replaced));
    assert_eq!(found.identity.executable, copy.canonicalize().unwrap_or(copy));
}

/// OpenClaw's CLI does that to itself. Runs only where Node.js is installed.
#[test]
fn a_script_that_overwrote_its_command_line_is_found_by_what_the_shell_started() {
    const CLIENT: &str = "#!/usr/bin/env node\nprocess.title = 'client-title';\n\
        require('net').connect(process.env.PORT, '127.0.0.1', function () { this.write('hello\\n'); }).resume();\n";
    if Command::new("node").arg("--version").stdout(Stdio::null()).status().is_err() {
        return;
    }
    let (listening, place) = (Listening::start(), own_place());
    let script = write_script(place.path(), "client.js", CLIENT);
    let arrived = start_stranger(&listening, place.path(), &format!("{}", script.display()));
    let found = program(program_of(&arrived));
    assert_eq!(found.identity.script, Some(script.canonicalize().expect("a path")));
    assert_eq!(found.ephemeral, None);
}

/// Runs only where Node.js is installed.
#[test]
fn a_script_that_overwrote_its_command_line_and_was_started_otherwise_gets_no_lasting_grant() {
    const CLIENT: &str = "process.title = 'x';\n\
        require('net').connect(process.env.PORT, '127.0.0.1', function () { this.write('hello\\n'); }).resume();\n";
    if Command::new("node").arg("--version").stdout(Stdio::null()).status().is_err() {
        return;
    }
    let (listening, place) = (Listening::start(), own_place());
    write_script(place.path(), "client.js", CLIENT);
    let arrived = start_stranger(&listening, place.path(), "node client.js");
    let found = program(program_of(&arrived));
    assert_eq!((found.identity.script, found.ephemeral), (None, Some(Ephemeral::NoScript)));
}

#[test]
fn who_has_a_port_is_named() {
    let listening = Listening::start();
    let owner = tidegate_peers::port_owner::find(listening.port()).expect("an answer").expect("an owner");
    assert_eq!(owner.pid, Some(std::process::id()));
    assert_eq!(owner.user, rustix::process::geteuid().as_raw());
    let program = std::env::current_exe().expect("a path").display().to_string();
    let sentence = owner.to_string();
    assert!(sentence.starts_with(&format!("{program} (process {}", std::process::id())), "{sentence}");
}
