//! Work that wants other programs of the person or of the system: with the need that it takes, or what a
//! command gets that tries it. `docs/commands.md` names what does not work.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;
#[path = "common/work.rs"]
mod work;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, channel};

use common::{DEADLINE, SECRET};
use work::{fails, installed, person, project, works};

const UNCONFINED: [&str; 1] = ["unconfined"];

/// The browser of Chromium's family that the tests of the windows use.
fn browser() -> Option<&'static str> {
    ["chromium", "google-chrome", "chromium-browser"].into_iter().find(|name| installed(name))
}

#[tokio::test]
async fn a_headless_browser_needs_sockets() {
    let Some(browser) = browser() else { return };
    let fixture = project();
    fixture.file("workspace/page.html", "<p id=p></p><script>p.textContent = 6 * 7 + ' drawn'</script>");
    let work = |option| {
        let options = format!("--headless {option} --disable-gpu --dump-dom");
        format!("{browser} {options} \"file://$PWD/page.html\" 2>log | grep -q '42 drawn'")
    };
    fails(&fixture, &[], &work("--no-sandbox")).await;
    // Its own would need namespaces.
    fails(&fixture, &["sockets"], &work("")).await;
    works(&fixture, &["sockets"], &work("--no-sandbox")).await;
}

/// A server that greets as SSH does, and tells what its clients say first.
fn ssh_server() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, greetings) = channel();
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let _ = client.write_all(b"SSH-2.0-Test\r\n");
            let mut said = [0; 64];
            let read = client.read(&mut said).unwrap_or(0);
            let _ = sender.send(String::from_utf8_lossy(&said[..read]).into_owned());
        }
    });
    (port, greetings)
}

#[tokio::test]
async fn ssh_reaches_nobody_and_has_no_keys() {
    if !installed("ssh") {
        return;
    }
    let (port, greetings) = ssh_server();
    let mut fixture = project();
    fixture.server = Some(([127, 0, 0, 1], port).into());
    let key = fixture.file("home/.ssh/id_ed25519", SECRET);
    let ssh = format!("ssh -F none -o BatchMode=yes -p {port}");

    let here = fails(&fixture, &[], &format!("{ssh} 127.0.0.1 true")).await;
    let named = fails(&fixture, &["network:example.org"], &format!("{ssh} example.org true")).await;
    let keys = fails(&fixture, &[], &format!("ls {} \"$SSH_AUTH_SOCK\"", key.display())).await;

    assert!(here.contains("Connection refused"), "{here}");
    assert!(named.contains("Could not resolve hostname"), "{named}");
    assert!(keys.contains("No such file"), "{keys}");
    assert!(greetings.try_recv().is_err(), "a command reached the server");
    fails(&fixture, &UNCONFINED, &format!("{ssh} 127.0.0.1 true")).await;
    assert!(greetings.recv_timeout(DEADLINE).expect("it was reached").starts_with("SSH-2.0-"));
}

#[tokio::test]
async fn a_push_is_unconfined() {
    let fixture = project();
    person(
        &fixture,
        "git init -q -b main . && git add . && git -c user.name=a -c user.email=a@example.org commit -q -m first
         git init -q --bare ../outside/origin.git && git remote add origin ../outside/origin.git",
    );

    let told = fails(&fixture, &["git"], "git push -q origin main").await;
    assert!(told.contains("does not appear to be a git repository"), "{told}");
    works(
        &fixture,
        &UNCONFINED,
        "git push -q origin main; git -C ../outside/origin.git log --format=%s main",
    )
    .await;
}

/// The daemon of a container engine that runs as the person, in their runtime directory.
#[tokio::test]
async fn a_container_engine_is_not_reached() {
    let mut fixture = project();
    let runtime = fixture.root.join("outside");
    let daemon = UnixListener::bind(runtime.join("docker.sock")).expect("bound");
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = daemon.accept() {
            let _ = client.read(&mut [0; 512]);
            let _ = client.write_all(b"HTTP/1.0 200 OK\r\n\r\nOK");
        }
    });
    fixture.variables.push(("XDG_RUNTIME_DIR".into(), runtime.clone().into()));
    fixture.file(
        "workspace/docker.py",
        "import os, socket, sys
for place in (sys.argv[1], '/var/run/docker.sock'):
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(f'{place}/docker.sock' if os.path.isdir(place) else place)
        client.sendall(b'GET /_ping HTTP/1.0\\r\\n\\r\\n')
        sys.exit(b'200 OK' not in client.recv(512))
    except OSError as error:
        print(error)
sys.exit(1)
",
    );
    let command = format!("python3 docker.py {}", runtime.display());

    let told = fails(&fixture, &[], &command).await;
    assert!(told.contains("Operation not permitted"), "{told}");
    let told = fails(&fixture, &["sockets"], &command).await;
    assert!(told.contains("No such file or directory"), "{told}");
    works(&fixture, &UNCONFINED, &command).await;
}

#[tokio::test]
async fn nobody_becomes_root_or_asks_the_service_manager() {
    let fixture = project();
    for (program, command) in [
        ("su", "su -c true </dev/null"),
        ("sudo", "sudo -n true"),
        ("ping", "ping -c 1 127.0.0.1"),
        ("systemctl", "systemctl --user list-units"),
    ] {
        if installed(program) {
            fails(&fixture, &["sockets"], command).await;
        }
    }
}

#[tokio::test]
async fn programs_find_who_they_run_for() {
    let fixture = project();
    works(&fixture, &[], "test \"$(id -un)\" = person; getent passwd person; test -w ~").await;
    if installed("ssh") {
        works(&fixture, &[], "ssh -V").await;
    }
    if installed("man") {
        works(&fixture, &[], "man --version").await;
    }
}
