//! A confined command tries every known way out. Each target is real and alive.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

#[path = "../../../crates/tools/tests/common/mod.rs"]
mod common;

use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;

use common::{Fixture, SECRET, free_port, until};
use serde_json::json;
use tidegate_agent::tool::ToolOutput;

const ATTEMPTS: &str = include_str!("../attacks/attempts.py");
const ATTACKS: &str = include_str!("../attacks/alone.py");

/// What stands for the person's place: the gateway, the session bus, the display, a keyring.
struct Outside {
    fixture: Fixture,
    port: TcpListener,
    streams: Vec<UnixListener>,
    datagrams: UnixDatagram,
    link: String,
    arguments: String,
}

impl Outside {
    /// Some sockets lie in the workspace, where a command sees them.
    fn new() -> Self {
        Self::with_sockets_in("workspace")
    }

    fn with_sockets_in(folder: &str) -> Self {
        let fixture = Fixture::new();
        let port = TcpListener::bind("0.0.0.0:0").expect("a port");
        let abstract_name = format!("tidegate-escapes-{}", fixture.root.display());
        let abstract_address = SocketAddr::from_abstract_name(&abstract_name).expect("a name");
        // As a bus or a display has it.
        let folder = fixture.root.join(folder);
        let paths = [fixture.root.join("state/bus"), folder.join("bus")];
        let mut streams: Vec<_> = paths.iter().map(|path| UnixListener::bind(path).expect("bound")).collect();
        streams.push(UnixListener::bind_addr(&abstract_address).expect("bound"));
        let datagram = folder.join("datagrams");
        let datagrams = UnixDatagram::bind(&datagram).expect("bound");
        let secret = fixture.file("state/key", SECRET);
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("changed");
        for socket in &streams {
            socket.set_nonblocking(true).expect("set");
        }
        port.set_nonblocking(true).expect("set");
        datagrams.set_nonblocking(true).expect("set");
        let mut addresses = vec!["127.0.0.1".to_owned(), "127.0.0.2".to_owned(), "0.0.0.0".to_owned()];
        addresses.extend(own_address());
        let link = format!("tidegate-escapes-{}", fixture.root.file_name().expect("a name").display());
        let arguments = json!({
            "port": port.local_addr().expect("an address").port(),
            "addresses": addresses,
            "sockets": paths,
            "abstract": abstract_name,
            "datagram": datagram,
            "secret": secret,
            "link": link,
            "secret_name": "tidegate-escapes-secret",
            "state": fixture.root.join("state"),
            "process": std::process::id(),
        });
        fixture.file("workspace/attempts.py", ATTEMPTS);
        fixture.file("workspace/attacks.py", ATTACKS);
        fixture.file("workspace/arguments.json", &arguments.to_string());
        Self { fixture, port, streams, datagrams, link, arguments: arguments.to_string() }
    }

    async fn attack(&self, needs: &[&str], more: &str) -> ToolOutput {
        let command = format!("python3 attacks.py \"$(cat arguments.json)\" {more}");
        let mut arguments = json!({"command": command});
        if !needs.is_empty() {
            arguments["needs"] = json!(needs);
            arguments["reason"] = json!("it attacks");
        }
        self.fixture.call("exec", arguments).await
    }

    /// Where a link to the secret lies that the command made for the person's programs to find.
    fn links(&self) -> Vec<&'static str> {
        let is_there = |place: &&str| std::fs::symlink_metadata(Path::new(place).join(&self.link)).is_ok();
        SHARED.into_iter().filter(is_there).collect()
    }

    /// Nobody outside heard of anything.
    fn assert_untouched(&self) {
        assert!(self.port.accept().is_err(), "the port was reached");
        for (at, socket) in self.streams.iter().enumerate() {
            assert!(socket.accept().is_err(), "socket {at} was reached");
        }
        assert!(self.datagrams.recv(&mut [0; 16]).is_err(), "a datagram came");
        assert_eq!(self.links(), [""; 0]);
        assert_eq!(self.fixture.text("state/key").as_deref(), Some(SECRET));
        let mode = |path| {
            let metadata = std::fs::metadata(self.fixture.root.join(path)).expect("there");
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(mode("state/key"), 0o600);
        assert_ne!(mode("state"), 0o777);
    }
}

/// Places where everybody's programs make files.
const SHARED: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// An address of this computer that is not loopback, where there is one.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the kernel only chooses a way.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip().to_string())
}

fn fallen(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("FELL")).collect()
}

#[tokio::test]
async fn a_contained_command_finds_no_way_out() {
    let outside = Outside::new();
    let output = outside.attack(&[], "").await;
    assert!(output.text.contains("\ndone\n"), "the attacks did not come to their end: {}", output.text);
    assert!(output.text.lines().filter(|line| line.starts_with("held")).count() > 100, "{}", output.text);
    assert_eq!(fallen(&output.text), [""; 0], "{}", output.text);
    assert!(!output.text.contains(SECRET), "{}", output.text);
    outside.assert_untouched();
}

#[tokio::test]
async fn a_granted_host_opens_no_other_way() {
    let outside = Outside::new();
    let output = outside.attack(&["network:example.org"], "").await;
    assert_eq!(fallen(&output.text), [""; 0], "{}", output.text);
    assert!(output.text.contains("\ndone\n"), "{}", output.text);
    outside.assert_untouched();
}

#[tokio::test]
async fn a_port_into_the_sandbox_opens_no_way_out() {
    let outside = Outside::new();
    let output = outside.attack(&[&format!("listen:{}", free_port())], "").await;
    assert_eq!(fallen(&output.text), [""; 0], "{}", output.text);
    assert!(output.text.contains("\ndone\n"), "{}", output.text);
    outside.assert_untouched();
}

/// Local sockets can then be made, and lead to nobody.
#[tokio::test]
async fn granted_sockets_open_no_way_out() {
    let outside = Outside::with_sockets_in("outside");
    let output = outside.attack(&["sockets"], "").await;
    // Each only makes a socket of the command's own.
    let own = ["socket family 1 with high bits", "socket in the workspace", "program in memory"];
    assert_eq!(fallen(&output.text), own.map(|name| format!("FELL {name}")), "{}", output.text);
    assert!(output.text.contains("\ndone\n"), "{}", output.text);
    outside.assert_untouched();
}

#[tokio::test]
async fn the_attacks_succeed_where_nothing_confines_them() {
    let outside = Outside::new();
    let command = format!("python3 attacks.py '{}' reach", outside.arguments);
    let arguments = json!({"command": command, "needs": ["unconfined"], "reason": "to see that they work"});
    let output = outside.fixture.call("exec", arguments).await;
    let fallen = fallen(&output.text);
    let fell = |name: &str| fallen.iter().any(|line| line.contains(name));
    for name in [
        "tcp to 127.0.0.1",
        "socket file",
        "abstract socket",
        "turned to a socket file",
        "signal to the host",
        "private file by a link",
        "mode of a private file",
        "end of a private file",
        "name of a private file",
        "mode of the state directory",
        "times of the state directory",
    ] {
        assert!(fell(name), "the attack proves nothing: {name}: {}", output.text);
    }
    let links = outside.links();
    for place in SHARED {
        let _ = std::fs::remove_file(Path::new(place).join(&outside.link));
    }
    assert_eq!(links, SHARED, "the link proves nothing");
}

#[tokio::test]
async fn a_command_cannot_take_the_persons_inotify_instances() {
    let outside = Outside::new();
    let look = async {
        until("the command has taken all", || outside.fixture.workspace().join("watching").exists()).await;
        let made = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC);
        outside.fixture.file("workspace/watched", "");
        made.map(drop)
    };
    let (_, made) = tokio::join!(outside.attack(&[], "watches"), look);
    made.expect("the person still gets one");
    let taken: usize =
        outside.fixture.text("workspace/watching").and_then(|text| text.parse().ok()).expect("told");
    assert!((1..=64).contains(&taken), "{taken}");
}
