//! Drives the fuzz targets where libFuzzer cannot be built: inputs are changed blindly, without
//! looking at which code they reach. `tests/fuzz/run` calls it.

#![allow(clippy::print_stdout, reason = "a command line program")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use clap::Parser;
use tidegate_fuzz::mutation::{Random, input};
use tidegate_fuzz::{TARGETS, Target, target};

/// Longer than this for one input is a failure: a client could send it again and again.
const SLOW: Duration = Duration::from_secs(2);

/// Feeds targets with changed inputs
#[derive(Parser)]
struct Arguments {
    /// Only the names of the targets
    #[arg(long)]
    list: bool,
    /// The target; all of them when none is named
    target: Option<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Inputs to begin with: a directory for each target
    #[arg(long, default_value = "fuzz/corpus")]
    corpus: PathBuf,
    /// Where an input that fails is kept
    #[arg(long, default_value = "fuzz/artifacts")]
    artifacts: PathBuf,
    /// Makes the same inputs again
    #[arg(long)]
    seed: Option<u64>,
    /// Keep each input before it is used, for when the process itself ends
    #[arg(long)]
    keep_current: bool,
    /// Run this one input and nothing else
    #[arg(long)]
    input: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.list {
        TARGETS.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(());
    }
    let chosen = match &arguments.target {
        Some(name) => {
            vec![(name.as_str(), target(name).with_context(|| format!("there is no target {name}"))?)]
        }
        None => TARGETS.to_vec(),
    };
    if let Some(path) = &arguments.input {
        let data = std::fs::read(path).with_context(|| path.display().to_string())?;
        chosen.iter().for_each(|(_, target)| target(&data));
        return Ok(());
    }
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis().try_into()?,
    };
    let mut failed = Vec::new();
    for (name, target) in chosen {
        if !fuzz(name, target, seed, &arguments)? {
            failed.push(name);
        }
    }
    anyhow::ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// Whether the target held for all inputs.
fn fuzz(name: &str, target: Target, seed: u64, arguments: &Arguments) -> anyhow::Result<bool> {
    let corpus = tidegate_fuzz::corpus(&arguments.corpus.join(name))?;
    let mut random = Random::new(seed);
    let (began, mut runs) = (Instant::now(), 0_u64);
    while began.elapsed() < Duration::from_secs(arguments.seconds) {
        let data = input(&corpus, &mut random);
        if arguments.keep_current {
            keep(&arguments.artifacts, name, "current", &data)?;
        }
        let since = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| target(&data)));
        runs += 1;
        if outcome.is_err() || since.elapsed() > SLOW {
            let kind = if outcome.is_err() { "crash" } else { "slow" };
            let path = keep(&arguments.artifacts, name, &format!("{kind}-{seed}-{runs}"), &data)?;
            println!("{name}: {kind} after {runs} inputs of seed {seed}: {}", path.display());
            return Ok(false);
        }
    }
    println!("{name}: {runs} inputs of seed {seed} from {} of the corpus, all fine", corpus.len());
    Ok(true)
}

fn keep(artifacts: &Path, name: &str, kind: &str, data: &[u8]) -> anyhow::Result<PathBuf> {
    let directory = artifacts.join(name);
    std::fs::create_dir_all(&directory)?;
    let path = directory.join(kind);
    std::fs::write(&path, data)?;
    Ok(path)
}
