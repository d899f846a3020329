//! A command while it runs: what it prints is sent, and a person interrupts it.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{AllowAll, Fixture};
use serde_json::{Value, json};
use tidegate_agent::command::{ActiveCommands, InterruptError};
use tidegate_agent::tool::{ToolContext, ToolOutput, ToolUpdates};
use tidegate_protocol::confinement::CommandClass;
use tokio::sync::mpsc;

/// Bytes of text that an update has at most, and the time between two of them at least.
const MAX_UPDATE: usize = 8 * 1024;
const INTERVAL: Duration = Duration::from_millis(250);

/// The updates of a command, and the list to interrupt it by.
struct Watched {
    updates: mpsc::UnboundedReceiver<(Instant, String)>,
    commands: ActiveCommands,
}

impl Watched {
    fn of(context: &mut ToolContext) -> Self {
        let (sender, updates) = mpsc::unbounded_channel();
        context.updates = ToolUpdates::new(move |text| {
            let _ = sender.send((Instant::now(), text));
        });
        Self { updates, commands: context.commands.clone() }
    }

    /// The first update that contains a text.
    async fn until(&mut self, part: &str) -> String {
        loop {
            let next = tokio::time::timeout(common::DEADLINE, self.updates.recv()).await;
            let (_, text) = next.expect("it is sent in time").expect("the command runs");
            if text.contains(part) {
                return text;
            }
        }
    }

    async fn interrupt(&self) {
        self.commands.interrupt("call-1", None).await.expect("it runs");
    }
}

/// Runs a command, and meanwhile what a test does.
async fn run_while<T>(
    fixture: &Fixture,
    arguments: Value,
    meanwhile: impl AsyncFnOnce(&mut Watched) -> T,
) -> (ToolOutput, T, Watched) {
    let mut context = fixture.context(AllowAll);
    let mut watched = Watched::of(&mut context);
    let (output, done) = tokio::join!(fixture.call_in(context, "exec", arguments), meanwhile(&mut watched));
    (output, done, watched)
}

fn create(fixture: &Fixture, name: &str) {
    fs::write(fixture.workspace().join(name), "").expect("written");
}

#[tokio::test]
async fn output_is_sent_before_the_command_ends() {
    let fixture = Fixture::new();
    let command = "echo first; until [ -e go ]; do sleep 0.05; done; echo last";
    let (output, told, _) = run_while(&fixture, json!({ "command": command }), async |watched| {
        let told = watched.until("first").await;
        create(&fixture, "go");
        told
    })
    .await;
    assert_eq!(told, "first\n");
    assert!(output.text.starts_with("first\nlast\n[exit code 0"), "{}", output.text);
}

#[tokio::test]
async fn a_character_that_comes_in_two_writes_is_not_broken() {
    let fixture = Fixture::new();
    let command = "printf 'a\\303'; until [ -e go ]; do sleep 0.05; done; printf '\\244b\\n'; \
                   until [ -e end ]; do sleep 0.05; done";
    let (output, told, _) = run_while(&fixture, json!({ "command": command }), async |watched| {
        let before = watched.until("a").await;
        create(&fixture, "go");
        let after = watched.until("b").await;
        create(&fixture, "end");
        (before, after)
    })
    .await;
    assert_eq!(told, ("a".to_owned(), "a\u{e4}b\n".to_owned()));
    assert!(output.text.starts_with("a\u{e4}b\n[exit code 0"), "{}", output.text);
}

#[tokio::test]
async fn an_interrupted_command_ends_with_its_output_so_far() {
    let fixture = Fixture::new();
    let arguments = json!({ "command": "echo ready; sleep 600; echo never" });
    let (output, (), _) = run_while(&fixture, arguments, async |watched| {
        watched.until("ready").await;
        watched.interrupt().await;
    })
    .await;
    let expected = "ready\n[interrupted by a person with Ctrl-C; exit code 130, as after signal SIGINT";
    assert!(output.is_error && output.text.starts_with(expected), "{}", output.text);
}

#[tokio::test]
async fn an_unconfined_command_is_interrupted_too() {
    let fixture = Fixture::new();
    for pty in [false, true] {
        let arguments = json!({
            "command": "echo ready; sleep 600", "needs": ["unconfined"], "reason": "a test", "pty": pty,
        });
        let (output, class, _) = run_while(&fixture, arguments, async |watched| {
            watched.until("ready").await;
            let class = watched.commands.list()[0].start.class;
            watched.interrupt().await;
            class
        })
        .await;
        assert_eq!(class, CommandClass::Unconfined);
        let expected = "\n[interrupted by a person with Ctrl-C; ended by signal SIGINT";
        assert!(output.is_error && output.text.contains(expected), "{}", output.text);
    }
}

#[tokio::test]
async fn in_a_terminal_the_shell_outlives_an_interrupt() {
    let fixture = Fixture::new();
    let command = "trap 'echo prompt' INT; sh -c 'echo ready; exec sleep 600'; echo survived";
    let arguments = json!({ "command": command, "pty": true });
    let (output, (), _) = run_while(&fixture, arguments, async |watched| {
        watched.until("ready").await;
        watched.interrupt().await;
    })
    .await;
    let expected = "ready\r\n^Cprompt\r\nsurvived\r\n[interrupted by a person with Ctrl-C; exit code 0";
    assert!(!output.is_error && output.text.starts_with(expected), "{}", output.text);
}

#[tokio::test]
async fn a_command_that_ignores_interrupts_goes_on() {
    let fixture = Fixture::new();
    for pty in [false, true] {
        let command = "trap '' INT; echo ready; until [ -e go ]; do sleep 0.05; done; rm go; echo done";
        let arguments = json!({ "command": command, "pty": pty });
        let (output, counted, _) = run_while(&fixture, arguments, async |watched| {
            watched.until("ready").await;
            for _ in 0..2 {
                watched.interrupt().await;
                if pty {
                    // A terminal that takes one drops what is not read yet, such as the echo of the one before.
                    watched.until("^C").await;
                }
            }
            let counted = watched.commands.list()[0].interrupts;
            create(&fixture, "go");
            counted
        })
        .await;
        assert_eq!(counted, 2);
        assert!(output.text.contains("done"), "{}", output.text);
        let end = "\n[interrupted by a person with Ctrl-C, 2 times; exit code 0";
        assert!(!output.is_error && output.text.contains(end), "{}", output.text);
    }
}

#[tokio::test]
async fn what_runs_in_a_session_of_its_own_is_not_interrupted() {
    let fixture = Fixture::new();
    fixture.file(
        "workspace/other.sh",
        "trap 'echo hit' INT; echo up > up; until [ -e go ]; do sleep 0.05; done; echo other ends",
    );
    let command = "setsid sh other.sh & trap : INT; until [ -e up ]; do sleep 0.05; done; \
                   sh -c 'echo ready; exec sleep 600'; touch go; wait";
    let (output, (), _) = run_while(&fixture, json!({ "command": command }), async |watched| {
        watched.until("ready").await;
        watched.interrupt().await;
    })
    .await;
    let expected = "ready\nother ends\n[interrupted by a person with Ctrl-C; exit code 0";
    assert!(output.text.starts_with(expected), "{}", output.text);
}

#[tokio::test]
async fn a_command_is_listed_while_it_runs_and_no_longer() {
    let fixture = Fixture::new();
    let command = "echo ready; until [ -e go ]; do sleep 0.05; done";
    let (_, listed, watched) = run_while(&fixture, json!({ "command": command }), async |watched| {
        watched.until("ready").await;
        let listed = watched.commands.list();
        create(&fixture, "go");
        listed
    })
    .await;
    let [only] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((only.start.command.as_str(), only.start.call_id.as_str()), (command, "call-1"));
    assert!(!only.start.pty && only.interrupts == 0);
    assert!(watched.commands.list().is_empty());
    let ended = watched.commands.interrupt("call-1", None).await;
    assert_eq!(ended, Err(InterruptError::NotRunning));
}

#[tokio::test]
async fn a_flood_of_output_is_sent_in_few_bounded_pieces() {
    let fixture = Fixture::new();
    let began = Instant::now();
    let (output, first, mut watched) =
        run_while(&fixture, json!({ "command": "yes | cat -n" }), async |watched| {
            let mut first = Vec::new();
            while first.len() < 6 {
                first.extend(watched.updates.recv().await);
            }
            watched.interrupt().await;
            first
        })
        .await;
    watched.updates.close();
    let mut told = first;
    while let Ok(one) = watched.updates.try_recv() {
        told.push(one);
    }
    for (number, (at, text)) in (0..).zip(&told) {
        assert!(text.len() <= MAX_UPDATE, "{} bytes", text.len());
        assert!(*at - began >= INTERVAL * number, "update {number} after {:?}", *at - began);
    }
    assert!(
        output.text.starts_with("     1\ty\n") && output.text.contains("bytes cut"),
        "{}",
        output.text.len()
    );
    assert!(output.text.len() < 66 * 1024, "{}", output.text.len());
}
