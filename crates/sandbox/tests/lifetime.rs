//! A sandbox ends with the thread that started it, and with no other.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::Place;
use tidegate_sandbox::Started;
use tidegate_sandbox::bubblewrap::Bubblewrap;

/// How long a condition may take to come true.
const DEADLINE: Duration = Duration::from_mins(1);
const KILLED: i32 = 9;
/// Waits until a file is there, beside a process in a session of its own.
const WAIT: &str = "setsid sleep 600 & touch started; until [ -e go ]; do sleep 0.01; done; touch went";

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "it did not happen in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A sandbox in which a command waits.
fn waiting(place: &Place) -> Started {
    let bubblewrap = Bubblewrap::find().expect("bubblewrap is installed");
    let arguments = ["sh", "-c", WAIT].map(str::to_owned).into();
    let (started, _) = place.start(&bubblewrap, &place.spec(), "/bin/sh", arguments).expect("started");
    until("it waits", || place.root.join("workspace/started").exists());
    started
}

fn processes_in(directory: &Path) -> usize {
    let all = fs::read_dir("/proc").expect("processes").flatten();
    all.filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == directory)).count()
}

#[test]
fn a_sandbox_ends_with_the_thread_that_started_it() {
    let place = Place::new();

    // What holds it stays; the thread alone is gone.
    let mut started = thread::scope(|scope| scope.spawn(|| waiting(&place)).join()).expect("it ran");

    assert_eq!(started.process.wait().expect("it ended").signal(), Some(KILLED));
    let workspace = place.root.join("workspace");
    until("nothing is left", || processes_in(&workspace) == 0);
    assert!(!workspace.join("went").exists());
}

#[test]
fn a_sandbox_stays_when_other_threads_end() {
    let (place, other) = (Place::new(), Place::new());
    let mut started = waiting(&place);

    let mut ended = thread::scope(|scope| scope.spawn(|| waiting(&other)).join()).expect("it ran");
    ended.process.wait().expect("it ended");

    fs::write(place.root.join("workspace/go"), "").expect("written");
    assert!(started.process.wait().expect("it ended").success());
    assert!(place.root.join("workspace/went").exists());
    until("nothing is left", || processes_in(&place.root.join("workspace")) == 0);
}
