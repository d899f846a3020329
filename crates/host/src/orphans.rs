//! Reaping what tools leave behind. The process is a child subreaper, so a process whose parent has
//! ended becomes ours, and nobody else waits for it.
//!
//! Children that a library started are waited for by that library, within moments of their end. A
//! child that has been dead for longer is nobody's, and is waited for by its number: never by a
//! wait for any child, which would take the libraries' results away.

use std::collections::HashMap;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::signal::unix::{SignalKind, signal};

/// How long a dead child is left to its parent.
const GRACE: Duration = Duration::from_secs(30);

/// Reaps until the process ends. To be called within a runtime.
pub(crate) async fn reap() {
    reap_after(GRACE).await;
}

async fn reap_after(grace: Duration) {
    let Ok(mut ended) = signal(SignalKind::child()) else {
        tracing::warn!("ended processes of agents cannot be reaped and stay in the process list");
        return;
    };
    // Dead children by number and start time: numbers are used again.
    let mut dead: HashMap<(i32, u64), tokio::time::Instant> = HashMap::new();
    loop {
        if dead.is_empty() {
            if ended.recv().await.is_none() {
                return;
            }
        } else {
            // A further signal changes nothing about those that are waited for.
            tokio::time::sleep(grace / 2).await;
        }
        let now = tokio::time::Instant::now();
        let seen = dead_children();
        dead.retain(|child, _| seen.contains(child));
        for child in seen {
            let since = *dead.entry(child).or_insert(now);
            if now.duration_since(since) >= grace
                && let Some(pid) = Pid::from_raw(child.0)
                && matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(Some(_)))
            {
                dead.remove(&child);
                tracing::debug!(pid = child.0, "a process that an agent left behind was reaped");
            }
        }
    }
}

/// Our children that have ended and were not waited for, with their start times.
fn dead_children() -> Vec<(i32, u64)> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()
        })
        .filter_map(|pid| {
            Some((pid, start_of_dead(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))
        })
        .collect()
}

/// The start time in the text of a `stat` file when its process is dead (proc_pid_stat(5), fields 3
/// and 22).
fn start_of_dead(stat: &str) -> Option<u64> {
    // The name in parentheses may hold anything, so what follows its last end counts.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    if fields.next()? != "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_read_whatever_the_name_is() {
        let rest = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20";
        assert_eq!(start_of_dead(&format!("5 (a) Z 9) Z {rest}")), Some(777));
        assert_eq!(start_of_dead(&format!("5 (Z) S {rest}")), None);
        assert_eq!(start_of_dead("5 (Z"), None);
    }

    #[tokio::test]
    async fn an_orphan_is_reaped_and_a_child_of_a_library_is_left_to_it() {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("allowed");
        let grace = Duration::from_secs(1);
        tokio::spawn(reap_after(grace));
        let mut ours = tokio::process::Command::new("true").spawn().expect("started");
        let mut shell = tokio::process::Command::new("sh");
        // The inner process outlives its parent, and becomes ours.
        let left = shell.args(["-c", "sleep 0.2 & echo $!"]).output().await.expect("ran");
        let orphan: i32 = String::from_utf8_lossy(&left.stdout).trim().parse().expect("a number");
        let exists = |pid: i32| std::path::Path::new(&format!("/proc/{pid}")).exists();

        let status = ours.wait().await.expect("its result was not taken away");

        assert!(status.success());
        let begun = std::time::Instant::now();
        while exists(orphan) {
            assert!(begun.elapsed() < Duration::from_secs(20), "the orphan is still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
