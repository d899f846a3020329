//! The strict reader of commands against real shells: whatever it accepts, each shell splits into the
//! same words and operators, as it was written, quoted again, and with programs by their paths.
//! TIDEGATE_PLAIN_COMMANDS tells how many accepted commands are tried, TIDEGATE_SEED which.
#![cfg(unix)]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod hostile;
mod shells;

use std::path::PathBuf;

use hostile::Hostile;
use shells::{Playground, Shell};
use tidegate_trust::rules::{Operator, PlainCommand};

/// Commands that the shells read in one go.
const BATCH: usize = 400;
/// One in so many is tried with programs by their paths, too: these take a process each, and functions none.
const WITH_PROGRAMS: usize = 200;

/// The words of each program that runs, in order.
type Reports = Vec<Vec<String>>;

/// A text for the shells, and what they must make of it.
struct Case {
    text: String,
    expected: Reports,
}

#[test]
fn shells_read_accepted_commands_as_the_strict_reader_does() {
    let wanted = number("TIDEGATE_PLAIN_COMMANDS", 2_000);
    let mut hostile = Hostile::from_environment();
    let playground = Playground::new();
    let shells = Shell::all_here();
    println!("shells: {}", shells.iter().map(Shell::name).collect::<Vec<_>>().join(", "));
    let (mut accepted, mut refused, mut with_programs) = (0, 0, 0);
    while accepted < wanted {
        let (mut by_name, mut by_path) = (Vec::new(), Vec::new());
        while by_name.len() < BATCH * 2 {
            let text = hostile.command();
            let Ok(command) = PlainCommand::parse(&text) else {
                refused += 1;
                continue;
            };
            hostile.remember(&text);
            let requoted = command.requoted();
            assert_eq!(PlainCommand::parse(&requoted).as_ref(), Ok(&command), "{text:?} as {requoted:?}");
            let programs: Vec<_> = command.segments().iter().map(|segment| segment.program()).collect();
            if !programs.iter().all(|program| shells::can_report(program)) {
                continue;
            }
            accepted += 1;
            programs.iter().for_each(|program| playground.link(program));
            if accepted % WITH_PROGRAMS == 0 {
                with_programs += 1;
                let text = playground.with_paths(&command);
                by_path.push(Case { text, expected: expected(&command) });
            }
            for text in [text, requoted] {
                by_name.push(Case { text, expected: expected(&command) });
            }
        }
        for shell in &shells {
            check(shell, &playground, &by_name);
            check(shell, &playground, &by_path);
        }
    }
    println!("{accepted} accepted commands ({with_programs} with programs by path), {refused} refused");
}

#[test]
fn a_shell_that_reads_differently_is_noticed() {
    let playground = Playground::new();
    let expected = || vec![vec!["p0".to_owned(), "a b".to_owned()]];
    let case = |text: &str| Case { text: text.to_owned(), expected: expected() };
    for shell in Shell::all_here() {
        assert_eq!(difference(&shell, &playground, &[case("p0 'a b'"), case("p0 a\" \"b")]), None);
        for text in ["p0 a b", "p0 'a b", "p0 'a b'; p0", "p1 'a b'", "p0 'a b' |", "p0 a\\\\ b", "", "("] {
            let found = difference(&shell, &playground, &[case("p0 'a b'"), case(text), case("p0 'a b'")]);
            assert!(found.is_some(), "{}: {text:?}", shell.name());
        }
    }
}

fn check(shell: &Shell, playground: &Playground, cases: &[Case]) {
    if let Some(difference) = difference(shell, playground, cases) {
        panic!("{difference}");
    }
}

/// The first case that a shell reads differently.
fn difference(shell: &Shell, playground: &Playground, cases: &[Case]) -> Option<String> {
    let texts: Vec<_> = cases.iter().map(|case| case.text.as_str()).collect();
    let (reported, errors) = shell.run(playground, &texts);
    let mut reported = reported.into_iter();
    cases.iter().find_map(|case| {
        let found = reported.next();
        (found.as_ref() != Some(&case.expected)).then(|| {
            let Case { text, expected } = case;
            format!(
                "{} reads {text:?} as {found:?}, and not as {expected:?}; it says: {errors}",
                shell.name()
            )
        })
    })
}

/// What runs according to the strict reader.
fn expected(command: &PlainCommand) -> Reports {
    let (mut runs, mut succeeded) = (true, true);
    let mut reports = Vec::new();
    let before = std::iter::once(Operator::Then).chain(command.operators().iter().copied());
    for (operator, segment) in before.zip(command.segments()) {
        runs = match operator {
            Operator::And => succeeded,
            Operator::Or => !succeeded,
            Operator::Then => true,
            // It runs if the one before in its pipeline does.
            Operator::Pipe => runs,
        };
        if runs {
            succeeded = status_of(segment.program()) == 0;
            reports.push(segment.words().to_vec());
        }
    }
    reports
}

/// How a program or function of this name ends.
fn status_of(name: &str) -> u8 {
    u8::from(name.ends_with(['1', 't']))
}

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|count| count.parse().ok()).unwrap_or(usual)
}

/// The program that reports how it was called.
fn report_arguments() -> PathBuf {
    let test = std::env::current_exe().expect("this program's path");
    let examples =
        test.parent().and_then(|directory| directory.parent()).expect("target/debug").join("examples");
    let built = examples.join("report_arguments");
    assert!(built.exists(), "{} is missing; run `cargo build -p tidegate-tools --examples`", built.display());
    built
}
