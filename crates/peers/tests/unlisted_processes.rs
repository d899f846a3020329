//! Where processes cannot be listed. A program of its own: the limit is the whole process's.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tidegate_peers::orphans::{self, Orphans};

#[test]
fn a_failed_look_for_orphans_does_not_say_that_none_are_left() {
    let place = tempfile::TempDir::new().expect("a directory");
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..before }).expect("lowered");
    let failed = orphans::end(place.path(), Duration::ZERO);
    setrlimit(Resource::Nofile, before).expect("raised");

    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(orphans::end(place.path(), Duration::ZERO).expect("listed"), Orphans::default());
}
