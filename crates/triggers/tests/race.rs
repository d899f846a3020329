//! A person's prompt that runs `git status` all the time, beside a command that plants settings.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::Fixture;
use tidegate_triggers::Action;

/// How many settings are planted; the long form is `TIDEGATE_PLANTS=1000`.
const PLANTS: usize = 30;
/// How often the prompt looks.
const PROMPT: Duration = Duration::from_millis(50);

/// The ways of planting, with the folder in which the prompt stands.
const WAYS: &[&str] = &[
    // A repository that was made elsewhere, renamed in place.
    "git init -q t; git -C t config core.fsmonitor \"$EVIL\"; mkdir n; mv t/.git n/.git; rm -r t",
    // The setting alone, renamed in place as git does.
    "git init -q n; git -C n config core.fsmonitor \"$EVIL\"",
    // Written into the file that is there.
    "git init -q n; printf '\\tfsmonitor = %s\\n' \"$EVIL\" >> n/.git/config",
    // A gitfile to a folder of another name.
    "git init -q t; git -C t config core.fsmonitor \"$EVIL\"; mv t/.git other; mkdir n; echo 'gitdir: ../other' > n/.git; rm -r t",
    // A folder that has the shape of a repository.
    "git init -q t; git -C t config core.fsmonitor \"$EVIL\"; mv t/.git t/n; mv t/n n; rm -r t",
    // A whole folder with a repository in it.
    "mkdir t; git init -q t/n; git -C t/n config core.fsmonitor \"$EVIL\"; mv t/n n; rm -r t",
];

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_prompt_beside_hostile_commands_runs_next_to_none_of_theirs() {
    let plants = std::env::var("TIDEGATE_PLANTS").ok().and_then(|text| text.parse().ok()).unwrap_or(PLANTS);
    let fixture = Fixture::new();
    let place = fixture.place();
    let (stop, looks) = (AtomicBool::new(false), AtomicUsize::new(0));

    let set_aside = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let mut status = place.command("git");
                let status = status.args(["-C", "n", "status"]).current_dir(place.workspace()).output();
                status.expect("git is installed");
                looks.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(PROMPT);
            }
        });
        // Also when this thread panics.
        let _stop = Stop(&stop);
        let mut set_aside = 0;
        for number in 0..plants {
            let command = fixture.guard.begin(&format!("run-{number}"), Vec::new()).expect("begun");
            place.shell(WAYS[number % WAYS.len()]);
            let seen = looks.load(Ordering::Relaxed);
            while looks.load(Ordering::Relaxed) < seen + 2 {
                std::thread::sleep(Duration::from_millis(5));
            }
            let report = fixture.guard.finish(command).expect("finished");
            set_aside += usize::from(report.findings.iter().any(|it| it.action == Action::PlainPartKept));
            // The prompt may be making a file in it.
            place.shell("until rm -rf n other 2> /dev/null; do :; done");
        }
        set_aside
    });

    println!("{plants} plants, {set_aside} set aside, {} looks, {} ran", looks.into_inner(), place.marks());
    assert_eq!(set_aside, plants);
    // A machine that is busy with other things gives the prompt a chance.
    assert!(place.marks() * 10 <= plants, "{} of {plants} plants ran", place.marks());
}
