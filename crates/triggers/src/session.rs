//! The commands that use a workspace, and what is reported to each.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::Engine;
use crate::finding::{Action, Finding};
use crate::respond::kind_of_stored;
use crate::tally::{EndReason, Tally};
use crate::walk::{Found, Incomplete};

/// Runs of which is remembered what they planted.
const MAX_RUNS: usize = 64;

/// Names a command that uses the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub(crate) u64);

/// What is said at once, while commands run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Something was found, and something was done about it.
    Finding(Finding),
    /// The commands of these runs are to be ended.
    EndCommands {
        /// The runs, as they were given to [`crate::Guard::begin`].
        runs: Vec<String>,
        reason: EndReason,
    },
    /// The workspace is not watched as it should be; it is walked instead.
    Degraded(Degraded),
}

/// Why a workspace is not watched as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Degraded {
    /// The system's limit of watched folders is reached.
    #[error(
        "this system watches no more folders, so trigger files are found up to a second late; raise fs.inotify.max_user_watches"
    )]
    Limit,
    /// More happened than could be read.
    #[error("more happened in the workspace than could be followed; it was walked instead")]
    Overflow,
    /// There is no watcher on this system, or it cannot be used.
    #[error("folders cannot be watched here, so trigger files are found late or when a command has ended")]
    Unavailable,
}

/// What became of the trigger files while a command ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What was found, in order. With several commands at once, all get everything: whose it was
    /// cannot be known.
    pub findings: Vec<Finding>,
    /// Why not everything was looked at.
    pub incomplete: Option<Incomplete>,
    /// Why the workspace was not watched all the time.
    pub degraded: Option<Degraded>,
    /// Why the run's commands are to be ended.
    pub end: Option<EndReason>,
}

/// Where notices go. Called on the watcher's thread; must not wait.
pub type Notify = Arc<dyn Fn(Notice) + Send + Sync>;

struct Active {
    id: CommandId,
    run: String,
    permitted: Vec<PathBuf>,
    report: Report,
}

pub(crate) struct Session {
    pub(crate) engine: Engine,
    notify: Notify,
    active: Vec<Active>,
    tallies: BTreeMap<String, Tally>,
    next: u64,
    /// What the last walk found: the trigger files that are known.
    pub(crate) found: Found,
}

impl Session {
    pub(crate) fn new(engine: Engine, notify: Notify) -> Self {
        let (active, tallies) = (Vec::new(), BTreeMap::new());
        Self { engine, notify, active, tallies, next: 0, found: Found::default() }
    }

    pub(crate) fn is_active(&self) -> bool {
        !self.active.is_empty()
    }

    /// A command begins. `walked` is what a walk found just now, where one was necessary.
    pub(crate) fn begin(&mut self, run: String, permitted: Vec<PathBuf>, walked: Option<Found>) -> CommandId {
        let is_first = !self.is_active();
        self.next += 1;
        let id = CommandId(self.next);
        let mut report = Report::default();
        if is_first {
            if let Some(found) = walked {
                self.found = found;
            }
            report.incomplete = self.engine.remember(&self.found);
        }
        if !self.tallies.contains_key(&run) && self.tallies.len() >= MAX_RUNS {
            let is_idle = |run: &&String| !self.active.iter().any(|active| active.run == **run);
            if let Some(idle) = self.tallies.keys().find(is_idle).cloned() {
                self.tallies.remove(&idle);
            }
        }
        self.active.push(Active { id, run, permitted, report });
        self.permit();
        id
    }

    /// Commands ended, after a walk.
    pub(crate) fn finish(&mut self, id: CommandId, found: Found) -> Report {
        let findings = self.engine.check(&found, true);
        self.add(findings);
        let Some(at) = self.active.iter().position(|active| active.id == id) else {
            return Report::default();
        };
        let mut report = self.active.remove(at).report;
        // A program that was writing a file when it was set aside has written on.
        for aside in report.findings.iter_mut().filter_map(|finding| finding.aside.as_mut()) {
            if let Ok(kind) = kind_of_stored(self.engine.aside(), OsStr::new(&aside.stored)) {
                aside.kind = kind;
            }
        }
        report.incomplete = report.incomplete.or(found.incomplete);
        self.permit();
        self.found = found;
        report
    }

    fn permit(&mut self) {
        self.engine.permitted =
            self.active.iter().flat_map(|active| active.permitted.iter().cloned()).collect();
    }

    pub(crate) fn add(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            let mut runs: Vec<String> = Vec::new();
            let mut reason = None;
            for active in &self.active {
                if runs.contains(&active.run) {
                    continue;
                }
                let tally = self.tallies.entry(active.run.clone()).or_default();
                if let Some(end) = tally.add(&finding) {
                    runs.push(active.run.clone());
                    reason = Some(end);
                }
            }
            for active in &mut self.active {
                active.report.findings.push(finding.clone());
                if runs.contains(&active.run) {
                    active.report.end = active.report.end.take().or(reason.clone());
                }
            }
            (self.notify)(Notice::Finding(finding));
            if let Some(reason) = reason {
                (self.notify)(Notice::EndCommands { runs, reason });
            }
        }
    }

    pub(crate) fn degraded(&mut self, why: Degraded) {
        for active in &mut self.active {
            active.report.degraded = Some(why);
        }
        (self.notify)(Notice::Degraded(why));
    }

    pub(crate) fn forget_run(&mut self, run: &str) {
        self.tallies.remove(run);
    }

    /// Whether a finding says that something was done: the place is looked at again.
    pub(crate) fn is_done(finding: &Finding) -> bool {
        !matches!(finding.action, Action::Named)
    }
}
