//! The log: one JSON object a line in a file, sentences on the terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tidegate_protocol::text;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::{environment, regular_file};

/// The most bytes of the log file before it is put aside; one older file is kept. Anyone who can reach
/// the port can have lines written.
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
    let to_file = LogFile::open(file(state_dir), MAX_BYTES).ok().map(|file| {
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
        // The list of spans ends with it.
        layer.with_current_span(false).with_writer(Mutex::new(file))
    });
    let to_terminal = (!quiet).then(|| {
        let layer = tracing_subscriber::fmt::layer().with_target(false).with_writer(io::stderr);
        // Its default is colours, also in a file or a service's journal.
        if io::stderr().is_terminal() { layer } else { layer.with_ansi(false) }
    });
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

/// A file of lines that stays within its bounds however much is written.
struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    max_bytes: u64,
}

impl LogFile {
    fn open(path: PathBuf, max_bytes: u64) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(parent)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = regular_file::open(&path, &mut options).map_err(io::Error::other)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes, max_bytes })
    }
}

impl Write for LogFile {
    /// Writes a line; the one that would be too much begins a new file. Where the full one cannot be
    /// put aside, the line is lost.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let is_full = self.bytes.saturating_add(line.len() as u64) > self.max_bytes;
        if is_full && self.bytes > 0 {
            match std::fs::rename(&self.path, self.path.with_extension("log.1")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => *self = Self::open(self.path.clone(), self.max_bytes)?,
            }
        }
        let written = self.file.write(line)?;
        self.bytes = self.bytes.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_fills_no_disk_and_the_newest_are_kept() {
        let place = tempfile::tempdir().expect("a directory");
        let path = file(place.path());
        let line = |number: u32| format!("{{\"message\":\"line {number:05}\"}}\n");
        for start in 0..3 {
            let mut log = LogFile::open(path.clone(), 1000).expect("opened");
            for number in 0..1000 {
                log.write_all(line(start * 1000 + number).as_bytes()).expect("written");
            }
        }

        let newest = std::fs::read_to_string(&path).expect("the log");
        let older = std::fs::read_to_string(path.with_extension("log.1")).expect("the one before");
        assert!(newest.len() <= 1000 && older.len() <= 1000, "{} and {}", newest.len(), older.len());
        let both = format!("{older}{newest}");
        let count = u32::try_from(both.lines().count()).expect("few");
        let expected: String = (3000 - count..3000).map(line).collect();
        assert_eq!(both, expected, "whole lines, none lost in between");
        assert_eq!(std::fs::read_dir(path.parent().expect("logs")).expect("listed").count(), 2);
    }
}
