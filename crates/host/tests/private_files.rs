//! Files of Tidegate that were opened to others are private again after a start, and the person sees it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use support::Tokens;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_command_opened_to_others_is_private_after_the_next_start() {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state");
    let tokens = Tokens::default();
    let host = tidegate_host::start(tokens.options(&state)).await.expect("it starts");
    assert_eq!(host.degraded(), Vec::<String>::new(), "a fresh start has nothing to repair");
    assert_eq!(mode(&state.join("control.sock")), 0o600);
    assert_eq!(mode(&place.path().join("state-workspace")), 0o700);
    host.stop().await;
    for (name, changed) in [("tidegate.sqlite", 0o666), ("lock", 0o644)] {
        set(&state.join(name), changed);
    }
    set(&place.path().join("state-workspace"), 0o755);
    set(&state, 0o777);

    let host = tidegate_host::start(tokens.options(&state)).await.expect("it starts");

    assert_eq!(mode(&state), 0o700);
    assert_eq!((mode(&state.join("tidegate.sqlite")), mode(&state.join("lock"))), (0o600, 0o600));
    assert_eq!(mode(&place.path().join("state-workspace")), 0o700);
    let said = host.degraded().join("\n");
    for changed in ["state had mode 0777", "tidegate.sqlite had mode 0666", "lock had mode 0644"] {
        assert!(said.contains(changed), "{said}");
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_says_nothing_to_another_program_that_took_the_sockets_place() {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state");
    let host = tidegate_host::start(Tokens::default().options(&state)).await.expect("it starts");
    assert!(tidegate_host::local_socket::connect(&state).await.is_ok(), "the host itself answers");
    let socket = state.join("control.sock");
    fs::rename(&socket, state.join("moved")).unwrap();
    let program = "import socket, sys, time\n\
                   s = socket.socket(socket.AF_UNIX)\n\
                   s.bind(sys.argv[1]); s.listen(); time.sleep(60)";
    let mut impostor =
        std::process::Command::new("python3").args(["-c", program]).arg(&socket).spawn().unwrap();
    let refused = loop {
        match tidegate_host::local_socket::connect(&state).await {
            Err(error) if error.to_string().contains("No Tidegate answers") => {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            other => break other,
        }
    };
    impostor.kill().unwrap();
    impostor.wait().unwrap();

    let sentence = refused.err().map(|error| error.to_string());
    let is_known = sentence.as_deref().is_some_and(|sentence| {
        sentence.contains(&format!("process {} answers", impostor.id()))
            && sentence.contains("nothing was sent")
    });
    assert!(is_known || !locks_are_reported(&state), "{sentence:?}");
    host.stop().await;
}

/// Whether the kernel tells who holds the lock of a state directory: on some file systems it does not.
fn locks_are_reported(state: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let inode = fs::metadata(state.join("lock")).unwrap().ino();
    let device = fs::metadata(state.join("lock")).unwrap().dev();
    let place = format!("{:02x}:{:02x}:{inode} ", rustix::fs::major(device), rustix::fs::minor(device));
    fs::read_to_string("/proc/locks").is_ok_and(|locks| locks.contains(&place))
}
