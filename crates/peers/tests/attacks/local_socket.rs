//! The local socket, where a number is all that old kernels tell.

use std::fs;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tidegate_peers::commands::Reach;
use tidegate_peers::{LocalSocket, PeerLookup as _, UnixPeer};
use tidegate_trust::origin::Peer;

use crate::support::{
    LocalListening, Running, Stranger, adopt_orphans, assert_identified, assert_tool, beside, later,
    own_user, quiet,
};

#[test]
fn a_program_beside_this_one_is_identified_on_the_local_socket() {
    let local = LocalListening::start();
    let _client = Stranger::start(&["unix", local.path()]);
    let (socket, _stream) = local.arrived();
    let (beside, _running) = beside(Reach::Beyond, None);
    for peers in [&quiet(), &beside] {
        assert_identified(&peers.program(&socket, later()));
        assert_eq!(peers.ancestry(&socket, later()), Peer::NotATool);
    }
}

#[test]
fn a_descendant_is_a_tool_on_the_local_socket() {
    let local = LocalListening::start();
    adopt_orphans();
    let _direct = Running::start(&["unix", local.path()]);
    let (direct, _stream) = local.arrived();
    assert_tool(&quiet().program(&direct, later()));
    // Its parent ends, so that this process gets it.
    let _detached = Stranger::start(&["unix", local.path()]);
    let (detached, _stream) = local.arrived();
    assert_tool(&quiet().program(&detached, later()));
}

#[test]
fn this_process_is_no_tool_on_its_own_local_socket() {
    let local = LocalListening::start();
    let _client = UnixStream::connect(&local.path).expect("connected");
    let (socket, _stream) = local.arrived();
    assert_eq!(quiet().ancestry(&socket, later()), Peer::NotATool);
}

#[test]
fn a_process_that_is_gone_is_unidentified_on_the_local_socket() {
    let local = LocalListening::start();
    adopt_orphans();
    let mut gone = Running::start(&["unix-and-go", local.path()]);
    gone.0.wait().expect("it ends");
    let (stream, pid) = local.accepted();
    for peer in [UnixPeer::at_accept(&stream, pid, own_user()), UnixPeer::without_handle(pid, own_user())] {
        assert_eq!(quiet().program(&LocalSocket::Unix(peer), later()), Peer::Unknown { uid: None });
    }
    for number in [0, u32::MAX] {
        let peer = LocalSocket::Unix(UnixPeer::without_handle(number, own_user()));
        assert_eq!(quiet().program(&peer, later()), Peer::Unknown { uid: None });
    }
}

/// Only root says which number comes next.
mod as_root {
    use super::*;

    const LAST_NUMBER: &str = "/proc/sys/kernel/ns_last_pid";
    const ROOM: u32 = 10;

    /// A command connects and ends, and another program gets its number.
    #[test]
    #[ignore = "needs root"]
    fn a_process_that_got_the_number_of_another_is_not_that_one() {
        let local = LocalListening::start();
        for _ in 0..1000 {
            // The numbers around it must be free, and whether those of the last try are is up to the
            // process that collects orphans.
            let last: u32 =
                fs::read_to_string(LAST_NUMBER).expect("readable").trim().parse().expect("a number");
            fs::write(LAST_NUMBER, (last + ROOM).to_string())
                // Near the highest number.
                .or_else(|_| fs::write(LAST_NUMBER, "1000"))
                .expect("root may");
            let mut gone = Running::start(&["unix-and-go", local.path()]);
            let (stream, pid) = local.accepted();
            let before = UnixPeer::without_handle(pid, own_user());
            gone.0.wait().expect("it ends");
            // Start times are in hundredths of a second: without a handle, two that started in the
            // same one cannot be told apart, but nobody except root uses up all numbers so fast.
            std::thread::sleep(Duration::from_millis(30));
            // The next number is that of the shell which starts the other one.
            fs::write(LAST_NUMBER, (pid - 2).to_string()).expect("root may");
            let other = Stranger::start(&["stay"]);
            if other.0 != pid {
                continue;
            }
            // The process that has the number now is identified when it is asked about as itself.
            let itself = LocalSocket::Unix(UnixPeer::without_handle(pid, own_user()));
            assert_eq!(quiet().ancestry(&itself, later()), Peer::NotATool);
            for peer in [before, UnixPeer::at_accept(&stream, pid, own_user())] {
                assert_eq!(quiet().program(&LocalSocket::Unix(peer), later()), Peer::Unknown { uid: None });
            }
            return;
        }
        panic!("the number was never given again");
    }
}
