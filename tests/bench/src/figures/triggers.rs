//! What the guard of trigger files costs a command.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tidegate_triggers::{Guard, Notice, Notify};

use crate::report::Row;
use crate::server::state_directory;
use crate::statistics::{median, percentile, spread};

const ROUNDS: usize = 15;
const PLANTS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(10);

/// A workspace that is filled, and where its commands are guarded.
struct Filled {
    directory: tempfile::TempDir,
}

impl Filled {
    /// Folders in threes of depth, and a repository in one of five hundred.
    fn new(files: usize, folders: usize) -> anyhow::Result<Self> {
        let filled = Self { directory: state_directory()? };
        for number in 0..folders {
            let name = format!("workspace/a{}/b{}/c{number}", number % 20, number % 100);
            let folder = filled.path().join(name);
            fs::create_dir_all(&folder)?;
            for file in 0..files / folders {
                fs::write(folder.join(format!("some_source_file_{file}.rs")), "x")?;
            }
            if number % 500 == 0 {
                for name in ["objects/info", "refs/heads", "hooks", "info"] {
                    fs::create_dir_all(folder.join(".git").join(name))?;
                }
                fs::write(folder.join(".git/HEAD"), "ref: refs/heads/main\n")?;
                fs::write(folder.join(".git/config"), "[core]\n\tbare = false\n")?;
            }
        }
        fs::create_dir(filled.path().join("aside"))?;
        Ok(filled)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn guard(&self, notify: Notify) -> anyhow::Result<Guard> {
        let workspace = self.path().join("workspace").canonicalize()?;
        let aside = File::open(self.path().join("aside"))?;
        Ok(Guard::start(File::open(&workspace)?, &workspace, aside, notify)?)
    }
}

/// What the end of a command costs, in milliseconds.
#[derive(Default)]
struct Costs {
    wall: Vec<f64>,
    processor: Vec<f64>,
}

fn finishing(filled: &Filled) -> anyhow::Result<Costs> {
    let guard = filled.guard(Arc::new(|_| {}))?;
    let first = guard.begin("run", Vec::new())?;
    guard.finish(first)?;
    let mut costs = Costs::default();
    for round in 0..ROUNDS {
        let command = guard.begin("run", Vec::new())?;
        fs::write(filled.path().join("workspace/made"), round.to_string())?;
        let (since, before) = (Instant::now(), own_processor_time()?);
        let report = guard.finish(command)?;
        costs.wall.push(milliseconds(since.elapsed()));
        costs.processor.push(milliseconds(own_processor_time()?.saturating_sub(before)));
        anyhow::ensure!(
            report.findings.is_empty() && report.incomplete.is_none() && report.degraded.is_none(),
            "the walk was not an ordinary one"
        );
    }
    Ok(costs)
}

/// From renaming a hostile configuration into place to having a plain one there, in milliseconds.
fn setting_aside(filled: &Filled) -> anyhow::Result<Vec<f64>> {
    let (sender, notices) = channel();
    let guard = filled.guard(Arc::new(move |notice| drop(sender.send(notice))))?;
    let command = guard.begin("run", Vec::new())?;
    let workspace = filled.path().join("workspace");
    let mut took = Vec::new();
    for number in 0..PLANTS {
        let folder = workspace.join(format!("new{number}/.git"));
        fs::create_dir_all(folder.join("refs"))?;
        fs::write(workspace.join("config"), "[core]\n\tfsmonitor = x\n")?;
        let since = Instant::now();
        fs::rename(workspace.join("config"), folder.join("config"))?;
        while !matches!(notices.recv_timeout(PATIENCE)?, Notice::Finding(_)) {}
        took.push(milliseconds(since.elapsed()));
    }
    guard.finish(command)?;
    Ok(took)
}

/// What all our threads had of a processor: the same however busy the machine is.
fn own_processor_time() -> anyhow::Result<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub(super) fn guard() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (files, folders, must, aim) in [(45_000, 5_500, 100.0, 50.0), (4_000, 500, 10.0, 3.0)] {
        let filled = Filled::new(files, folders)?;
        let costs = finishing(&filled)?;
        let note = format!(
            "median of {ROUNDS} commands: watcher and walk from a command's end, when it made one file; {:.1} ms of \
             processor time.",
            median(&costs.processor)
        );
        let name = format!("watcher and walk, {} files and folders", files + folders);
        rows.push(Row::sample(name, &costs.wall, "ms").limits(must, aim).note(note));
        if files > 10_000 {
            let took = setting_aside(&filled)?;
            let (least, most) = spread(&took);
            let note = format!(
                "{PLANTS} settings of git, renamed into place while a command runs; least {least:.2} ms, most \
                 {most:.2} ms. For as long as this, what is planted is there."
            );
            let p99 = percentile(&took, 99);
            rows.push(Row::new("a planted setting is set aside after, p99", p99, "ms").note(note));
        }
    }
    Ok(rows)
}
