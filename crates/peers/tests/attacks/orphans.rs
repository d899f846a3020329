//! What an earlier Tidegate left.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tidegate_peers::PeerLookup as _;
use tidegate_peers::orphans::{self, Orphans};

use crate::support::{
    Listening, PATIENCE, Running, Stranger, adopt_orphans, assert_tool, eventually, later, quiet,
};

fn end(place: &TempDir, patience: Duration) -> Orphans {
    orphans::end(place.path(), patience).expect("the processes are listed")
}

#[test]
fn orphans_of_the_same_state_directory_are_ended_with_what_is_below() {
    let (place, other) = (TempDir::new().expect("a directory"), TempDir::new().expect("a directory"));
    let listening = Listening::start();
    let port = listening.port();
    let start = |place: &TempDir| {
        let state = place.path().to_str().expect("a path");
        Stranger::with("/usr/bin/tidegate", &["run-tool", state, "connect", &port], None)
    };
    let _orphan = start(&place);
    let (_, mut orphans_connection) = listening.arrived();
    let _foreign = start(&other);
    let (foreign, _foreign_connection) = listening.arrived();

    let found = end(&place, PATIENCE);

    assert_eq!(found.left, []);
    assert_eq!(found.ended.len(), 2, "{found:?}");
    assert!(found.ended.iter().any(|orphan| orphan.command.contains("connect")), "{found:?}");
    let mut rest = Vec::new();
    orphans_connection.read_to_end(&mut rest).expect("its connection ends with it");
    assert_tool(&quiet().program(&foreign, later()));
    assert_eq!(end(&place, PATIENCE), Orphans::default());
}

#[test]
fn marked_commands_are_ended_and_others_with_the_variable_are_not() {
    let place = TempDir::new().expect("a directory");
    let listening = Listening::start();
    let port = listening.port();
    let marked = Stranger::with("sleeper", &["no-new-privs", "connect", &port], Some(place.path()));
    let (_, _first) = listening.arrived();
    // A person's shell in which somebody set the variable.
    let innocent = Stranger::with("sleeper", &["connect", &port], Some(place.path()));
    let (_, _second) = listening.arrived();

    let found = end(&place, PATIENCE);

    let ended: Vec<u32> = found.ended.iter().map(|orphan| orphan.pid).collect();
    assert_eq!((ended, found.left), (vec![marked.0], vec![]));
    assert!(Path::new(&format!("/proc/{}", innocent.0)).exists());
}

#[test]
fn one_pass_is_made_without_patience() {
    let place = TempDir::new().expect("a directory");
    let listening = Listening::start();
    let marked =
        Stranger::with("sleeper", &["no-new-privs", "connect", &listening.port()], Some(place.path()));
    let (_, mut connection) = listening.arrived();
    connection.set_nonblocking(true).expect("it is set");

    let found = end(&place, Duration::ZERO);

    let left: Vec<u32> = found.left.iter().map(|orphan| orphan.pid).collect();
    assert_eq!((found.ended, left), (vec![], vec![marked.0]));
    eventually("its connection ends with it", || matches!(connection.read(&mut [0; 8]), Ok(0)));
}

#[test]
fn commands_of_this_process_are_no_orphans() {
    let place = TempDir::new().expect("a directory");
    let listening = Listening::start();
    adopt_orphans();
    let state = place.path().to_str().expect("a path");
    let _own = Running::named("tidegate", &["run-tool", state, "connect", &listening.port()]);
    let (_, _stream) = listening.arrived();

    assert_eq!(end(&place, PATIENCE), Orphans::default());
}
