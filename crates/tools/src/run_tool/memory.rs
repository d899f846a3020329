//! Keeping a command from using up the computer's memory. A limit of each process does not bound them
//! together, and a control group is not there everywhere: so what they use is looked at while they run.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::process::Pid;

use super::descendants::below;
use super::protocol::Boundary;

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of a process's accounts.
const KIBIBYTE: u64 = 1024;

/// What the processes of a command may use together.
pub(super) struct MemoryLimit {
    bytes: u64,
    command: Pid,
}

impl MemoryLimit {
    /// The limit of a boundary; without one there is none.
    pub(super) fn of(boundary: &Boundary, command: Pid) -> Option<Self> {
        match boundary {
            Boundary::Sandbox { memory, .. } => Some(Self { bytes: *memory, command }),
            Boundary::Partial { .. } | Boundary::None => None,
        }
    }

    /// Looks at them until they use more, or `tell` says that nobody wants to know any more.
    pub(super) fn watch(&self, tell: impl FnOnce(u64) -> bool) {
        loop {
            thread::sleep(INTERVAL);
            if self.is_exceeded() {
                tell(self.bytes);
                return;
            }
        }
    }

    /// Pages that processes share are in the cheap account of each. Only where that is too much, the one
    /// in which each page counts once is read, which takes longer.
    fn is_exceeded(&self) -> bool {
        let processes = || below(self.command).into_iter().map(|id| PathBuf::from(format!("/proc/{id}")));
        let cheap: u64 = processes().filter_map(|process| resident(&process)).sum();
        let exact = |process: PathBuf| proportional(&process).or_else(|| resident(&process));
        cheap > self.bytes && processes().filter_map(exact).sum::<u64>() > self.bytes
    }
}

/// Bytes in memory, shared ones included (`statm`).
fn resident(process: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(process.join("statm")).ok()?;
    pages(&text)?.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}

fn pages(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Bytes in memory, of shared ones its part, and what of it is in the swap (`smaps_rollup`).
fn proportional(process: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(process.join("smaps_rollup")).ok()?;
    Some(kibibytes(&text, "Pss")? + kibibytes(&text, "SwapPss").unwrap_or(0))
        .and_then(|sum| sum.checked_mul(KIBIBYTE))
}

fn kibibytes(smaps: &str, name: &str) -> Option<u64> {
    let value = smaps.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accounts_are_read_as_the_kernel_writes_them() {
        assert_eq!(pages("4063 1022 871 55 0 355 0\n"), Some(1022));
        let smaps = "55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss:    3000 kB\nPss:    1402 kB\n\
                     Pss_Anon:    276 kB\nSwapPss:   8 kB\n";
        assert_eq!((kibibytes(smaps, "Pss"), kibibytes(smaps, "SwapPss")), (Some(1402), Some(8)));
    }

    #[test]
    fn this_process_uses_some_memory_of_its_own() {
        let own = PathBuf::from("/proc/self");
        let (resident, proportional) = (resident(&own), proportional(&own));
        assert!(resident.is_some_and(|bytes| bytes > 0), "{resident:?}");
        assert!(proportional.is_some_and(|bytes| bytes > 0), "{proportional:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_crash(text in ".{0,200}") {
            let _ = (pages(&text), kibibytes(&text, "Pss"));
        }
    }
}
