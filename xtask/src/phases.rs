//! Phases of a long command: each is timed, and a failure does not hide what comes after it.

use std::time::Instant;

use anyhow::Result;

/// The phases that ran, in order.
#[derive(Debug, Default)]
pub(crate) struct Phases {
    lines: Vec<String>,
    failed: Vec<&'static str>,
}

impl Phases {
    /// Runs a phase, and says how it went and how long it took.
    pub(crate) fn run(&mut self, name: &'static str, phase: impl FnOnce() -> Result<()>) {
        println!("\n== {name}");
        let started = Instant::now();
        let outcome = match phase() {
            Ok(()) => "ok",
            Err(error) => {
                println!("{error:#}");
                self.failed.push(name);
                "FAILED"
            }
        };
        let seconds = started.elapsed().as_secs();
        self.lines.push(format!("{name:<22} {outcome:>6}  {seconds:>4} s"));
        println!("-- {name}: {outcome}, {seconds} s");
    }

    /// A line for each phase.
    pub(crate) fn table(&self) -> String {
        self.lines.join("\n")
    }

    pub(crate) fn failed(&self) -> &[&'static str] {
        &self.failed
    }
}
