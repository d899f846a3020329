//! The log: one JSON object a line in a file, sentences on the terminal.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tidegate_protocol::text;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::environment;

/// The most bytes of the log file before a start puts it aside; one older file is kept.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Where the log of a host with this state directory is.
#[must_use]
pub fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("logs").join("tidegate.log")
}

/// Starts logging. Without a file, for example on a full disk, only the terminal is written to.
/// A second call in one process, as in tests, changes nothing.
pub(crate) fn start(state_dir: &Path, quiet: bool) {
    let filter = environment::lookup("TIDEGATE_LOG").unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let to_file = open(&file(state_dir)).ok().map(|file| {
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(Mutex::new(file))
    });
    let to_terminal =
        (!quiet).then(|| tracing_subscriber::fmt::layer().with_target(false).with_writer(std::io::stderr));
    // A host that runs in a process with a log of its own, as tests do, uses that.
    if tracing_subscriber::registry().with(filter).with(to_file).with(to_terminal).try_init().is_ok() {
        log_panics();
    }
}

/// A panic is a defect that somebody has to find later, also where there is no terminal.
fn log_panics() {
    let printed = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(panic = %text::one_line(&panic.to_string(), 2_000), "a part of Tidegate panicked");
        printed(panic);
    }));
}

fn open(path: &Path) -> std::io::Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_BYTES) {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}
