//! Measures the guard: what a command costs in workspaces of two sizes, and how long a hostile
//! setting stays. `cargo run --release -p tidegate-triggers --example measure [FOLDER]`
#![allow(clippy::print_stdout, reason = "a command line program")]

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::fs::{self, File};
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use tidegate_triggers::{Guard, Notice};

    const ROUNDS: usize = 15;

    pub(super) fn main() -> Result<(), Box<dyn Error>> {
        let base = std::env::args().nth(1).unwrap_or_else(|| "/tmp".to_owned());
        for (files, folders) in [(4_500, 500), (45_000, 5_500)] {
            let directory = tempfile::tempdir_in(&base)?;
            let root = directory.path().canonicalize()?;
            let workspace = root.join("workspace");
            fill(&workspace, files, folders)?;
            fs::create_dir(root.join("aside"))?;
            command(&root, &workspace, files + folders)?;
            if files > 10_000 {
                latency(&root, &workspace)?;
            }
        }
        Ok(())
    }

    /// Folders in threes of depth, ten files in each, and a repository in one of fifty.
    fn fill(workspace: &Path, files: usize, folders: usize) -> std::io::Result<()> {
        for number in 0..folders {
            let folder = workspace.join(format!("a{}/b{}/c{number}", number % 20, number % 100));
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
        Ok(())
    }

    fn command(root: &Path, workspace: &Path, entries: usize) -> Result<(), Box<dyn Error>> {
        let began = Instant::now();
        let guard = Guard::start(
            File::open(workspace)?,
            workspace,
            File::open(root.join("aside"))?,
            Arc::new(|_| {}),
        )?;
        let first = guard.begin("run", Vec::new())?;
        let started = began.elapsed();
        guard.finish(first)?;
        let (mut begins, mut finishes, mut processor) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let since = Instant::now();
            let command = guard.begin("run", Vec::new())?;
            begins.push(since.elapsed());
            fs::write(workspace.join("made"), round.to_string())?;
            let (since, before) = (Instant::now(), processor_time()?);
            let report = guard.finish(command)?;
            finishes.push(since.elapsed());
            processor.push(processor_time()?.saturating_sub(before));
            assert!(report.findings.is_empty() && report.incomplete.is_none() && report.degraded.is_none());
        }
        println!(
            "{entries} entries: start and first begin {:.1} ms; begin {}; finish {}, on the processor {}",
            milliseconds(started),
            spread(begins),
            spread(finishes),
            spread(processor)
        );
        Ok(())
    }

    /// From renaming a hostile configuration in place to having a plain one there.
    fn latency(root: &Path, workspace: &Path) -> Result<(), Box<dyn Error>> {
        let (sender, notices) = channel();
        let guard = Guard::start(
            File::open(workspace)?,
            workspace,
            File::open(root.join("aside"))?,
            Arc::new(move |notice| drop(sender.send(notice))),
        )?;
        let command = guard.begin("run", Vec::new())?;
        let mut took = Vec::new();
        for number in 0..200 {
            let folder = workspace.join(format!("new{number}/.git"));
            fs::create_dir_all(folder.join("refs"))?;
            fs::write(workspace.join("config"), "[core]\n\tfsmonitor = x\n")?;
            let since = Instant::now();
            fs::rename(workspace.join("config"), folder.join("config"))?;
            loop {
                if let Notice::Finding(_) = notices.recv_timeout(Duration::from_secs(10))? {
                    break;
                }
            }
            took.push(since.elapsed());
        }
        guard.finish(command)?;
        println!("a hostile setting is set aside after {}", spread(took));
        Ok(())
    }

    /// What all threads had of a processor: the same however busy the machine is.
    fn processor_time() -> Result<Duration, Box<dyn Error>> {
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

    fn spread(mut durations: Vec<Duration>) -> String {
        durations.sort();
        let at = |share: usize| milliseconds(durations[(durations.len() - 1) * share / 100]);
        format!("median {:.2} ms ({:.2} - p90 {:.2} - {:.2})", at(50), at(0), at(90), at(100))
    }
}
