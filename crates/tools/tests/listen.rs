//! A server in the sandbox that the person was asked to open: what it is reached by, and what not.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use common::{AllowAll, Answer, Fixture, free_port, until};
use serde_json::json;
use tidegate_agent::approval::ApprovalAnswer;
use tidegate_agent::tool::ToolOutput;
use tidegate_tools::{SandboxOptions, Sandboxes};

/// A server that answers each connection with its number, until the file `stop` is there.
const SERVER: &str = "import os, socket, sys, threading
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family, backlog=128)
server.settimeout(0.02)
open('ready', 'w').close()
number = 0
while not os.path.exists('stop'):
    try:
        client, _ = server.accept()
    except TimeoutError:
        continue
    number += 1
    client.settimeout(60)
    client.recv(100)
    client.sendall(b'%d\\n' % number)
    client.close()
";

/// What the server behind a port says; nothing when the connection is closed without an answer.
fn ask(address: impl Into<IpAddr>, port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(SocketAddr::new(address.into(), port))?;
    let mut answer = String::new();
    match stream.write_all(b"?").and_then(|()| stream.read_to_string(&mut answer)) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => Err(error),
        _ => Ok(answer),
    }
}

/// Runs a server at `address` inside, and `look` while it runs.
async fn serve(
    fixture: &Fixture,
    address: &str,
    port: u16,
    look: impl FnOnce() + Send + 'static,
) -> ToolOutput {
    fixture.file("workspace/server.py", SERVER);
    let arguments = json!({
        "command": format!("python3 server.py {address} {port}"),
        "needs": [format!("listen:{port}")],
        "reason": "the page can be looked at",
    });
    let (ready, stop) = (fixture.workspace().join("ready"), fixture.workspace().join("stop"));
    let looking = async {
        until("the server listens", || ready.exists()).await;
        let looked = tokio::task::spawn_blocking(look).await;
        std::fs::write(stop, "").expect("written");
        looked.expect("it was looked at");
    };
    tokio::join!(fixture.call("exec", arguments), looking).0
}

#[tokio::test]
async fn a_server_inside_is_opened_at_the_granted_port() {
    let (fixture, port) = (Fixture::new(), free_port());
    let output = serve(&fixture, "127.0.0.1", port, move || {
        // More than there are sockets for: each is used again.
        for number in 1..=100 {
            assert_eq!(ask(Ipv4Addr::LOCALHOST, port).expect("answered"), format!("{number}\n"));
        }
        let many: Vec<_> =
            (0..64).map(|_| std::thread::spawn(move || ask(Ipv4Addr::LOCALHOST, port))).collect();
        let answers = many.into_iter().map(|one| one.join().expect("ended").expect("answered"));
        assert_eq!(answers.filter(|answer| answer.ends_with('\n')).count(), 64);
    })
    .await;
    assert!(output.text.contains("[exit code 0"), "{}", output.text);
    ask(Ipv4Addr::LOCALHOST, port).expect_err("nobody listens when the command has ended");
    ask(Ipv6Addr::LOCALHOST, port).expect_err("nor there");
}

#[tokio::test]
async fn a_server_that_knows_only_ipv6_is_reached() {
    let (fixture, port) = (Fixture::new(), free_port());
    let output = serve(&fixture, "::1", port, move || {
        for number in 1..=40 {
            assert_eq!(ask(Ipv4Addr::LOCALHOST, port).expect("answered"), format!("{number}\n"));
        }
        if let Ok(answer) = ask(Ipv6Addr::LOCALHOST, port) {
            assert_eq!(answer, "41\n");
        }
    })
    .await;
    assert!(output.text.contains("[exit code 0"), "{}", output.text);
}

#[tokio::test]
async fn the_port_is_open_on_loopback_alone() {
    let (fixture, port) = (Fixture::new(), free_port());
    serve(&fixture, "0.0.0.0", port, move || {
        let mut listening = 0;
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let text = std::fs::read_to_string(table).unwrap_or_default();
            let lines = text.lines().filter(|line| line.split_whitespace().nth(3) == Some("0A"));
            let places = lines.filter_map(|line| line.split_whitespace().nth(1));
            for place in places.filter(|place| place.ends_with(&format!(":{port:04X}"))) {
                let is_loopback = ["0100007F:", "00000000000000000000000001000000:"];
                assert!(is_loopback.iter().any(|loopback| place.starts_with(loopback)), "{place}");
                listening += 1;
            }
        }
        assert!((1..=2).contains(&listening), "{listening}");
    })
    .await;
}

#[tokio::test]
async fn a_connection_to_nobody_is_closed() {
    let (fixture, port, other) = (Fixture::new(), free_port(), free_port());
    serve(&fixture, "127.0.0.1", other, move || {
        // The server listens elsewhere than where the person was told, and there nobody gets in.
        ask(Ipv4Addr::LOCALHOST, port).expect_err("only what was granted is open");
    })
    .await;
    let command = "touch ready; until [ -e stop ]; do sleep 0.01; done";
    let arguments =
        json!({"command": command, "needs": [format!("listen:{port}")], "reason": "it listens later"});
    std::fs::remove_file(fixture.workspace().join("stop")).expect("there");
    std::fs::remove_file(fixture.workspace().join("ready")).expect("there");
    let look = async {
        until("it runs", || fixture.workspace().join("ready").exists()).await;
        let answer = tokio::task::spawn_blocking(move || ask(Ipv4Addr::LOCALHOST, port)).await;
        assert_eq!(answer.expect("asked").expect("accepted"), "");
        fixture.file("workspace/stop", "");
    };
    let (output, ()) = tokio::join!(fixture.call("exec", arguments), look);
    assert!(output.text.contains("[exit code 0"), "{}", output.text);
}

#[tokio::test]
async fn a_port_that_is_not_free_for_it_is_refused_unasked() {
    let mut fixture = Fixture::new();
    let reserved = free_port();
    let sandboxes = Sandboxes::new(fixture.root.join("state/sandbox"), common::person(&fixture.root));
    let options = SandboxOptions { reserved_ports: vec![reserved], ..SandboxOptions::default() };
    fixture.sandboxes = std::sync::Arc::new(sandboxes.with_options(options));
    let used = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let everywhere = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
    let of = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    let mut cases = vec![
        (80, "belong to the system"),
        (1023, "belong to the system"),
        (3128, "the sandbox's own proxy"),
        (reserved, "Tidegate itself"),
        (of(&used), "a program on this computer uses the port"),
        (of(&everywhere), "a program on this computer uses the port"),
    ];
    let on_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).ok();
    cases.extend(on_ipv6.as_ref().map(|listener| (of(listener), "a program on this computer uses the port")));
    for (port, sign) in cases {
        let arguments =
            json!({"command": "true", "needs": [format!("listen:{port}")], "reason": "it must not be"});
        let nobody = Answer(|_| -> ApprovalAnswer { panic!("nobody is asked") });
        let output = fixture.call_in(fixture.context(nobody), "exec", arguments).await;
        assert!(output.is_error && output.text.contains(sign), "{port}: {}", output.text);
        assert!(output.text.contains("name another port"), "{port}: {}", output.text);
    }
}

#[tokio::test]
async fn a_port_that_was_taken_after_the_question_starts_nothing() {
    let (fixture, port) = (Fixture::new(), free_port());
    let arguments = json!({
        "command": "touch ran", "needs": [format!("listen:{port}")], "reason": "the page can be looked at",
    });
    let taken = std::sync::Mutex::new(None);
    let gate = Answer(move |question: tidegate_agent::approval::ApprovalQuestion| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("free");
        *taken.lock().expect("unpoisoned") = Some(listener);
        ApprovalAnswer::Allowed { digest: question.plan.digest() }
    });
    let output = fixture.call_in(fixture.context(gate), "exec", arguments).await;
    assert!(output.is_error && output.text.contains("uses the port"), "{}", output.text);
    assert!(!fixture.workspace().join("ran").exists());
}

#[tokio::test]
async fn a_command_that_is_cancelled_takes_its_port_along() {
    let (fixture, port) = (Fixture::new(), free_port());
    fixture.file("workspace/server.py", SERVER);
    let context = fixture.context(AllowAll);
    let cancelled = context.cancelled.clone();
    let arguments = json!({
        "command": format!("trap '' TERM; python3 server.py 127.0.0.1 {port}"),
        "needs": [format!("listen:{port}")],
        "reason": "the page can be looked at",
    });
    let stop = async {
        until("the server listens", || fixture.workspace().join("ready").exists()).await;
        cancelled.cancel();
    };
    let (output, ()) = tokio::join!(fixture.call_in(context, "exec", arguments), stop);
    assert!(output.text.contains("cancelled"), "{}", output.text);
    ask(Ipv4Addr::LOCALHOST, port).expect_err("nobody listens");
}
