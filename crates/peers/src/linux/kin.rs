//! By what a process is known as a tool: a parent, its control group, or what it gave up for good.

use std::path::Path;

use tidegate_protocol::text;

use super::processes::{self, Stat};
use crate::commands::{PROGRAM_PREFIX, RUN_TOOL, SCOPE_PREFIX};
use crate::port_owner::Kin;

/// How often a chain of parents is followed again that changed meanwhile.
const ROUNDS: usize = 5;
/// How many generations of parents are followed.
const MAX_GENERATIONS: usize = 1000;
/// Characters of a tool's command line.
const MAX_COMMAND: usize = 200;

impl Kin {
    pub(super) fn of(pid: u32) -> Self {
        if pid == processes::own_pid() {
            return Self::None;
        }
        let ancestry = (0..ROUNDS).find_map(|_| has_tool_above(pid));
        match ancestry {
            Some(true) => Self::Tool,
            Some(false) if processes::is_in_scope(pid, SCOPE_PREFIX).unwrap_or(false) => Self::Tool,
            Some(false) if processes::has_no_new_privileges(pid).is_ok_and(|has| !has) => Self::None,
            _ => Self::Unidentified,
        }
    }
}

/// Whether a process or one above it is the child of this process, or supervises a command, of an
/// earlier Tidegate's as well. `None` when the chain changed while it was followed.
fn has_tool_above(pid: u32) -> Option<bool> {
    let own = processes::own_pid();
    let first = processes::stat(pid).ok()?;
    if supervises_a_command(pid) {
        return Some(true);
    }
    let mut child = first;
    for _ in 0..MAX_GENERATIONS {
        match child.parent {
            parent if parent == own => return Some(true),
            0 | 1 => {
                let is_settled = processes::stat(pid).is_ok_and(|now| is_same(now, first));
                return is_settled.then_some(false);
            }
            parent => match processes::stat(parent) {
                Ok(_) if supervises_a_command(parent) => return Some(true),
                // A parent that is younger than its child has only its number.
                Ok(stat) if stat.started <= child.started => child = stat,
                _ => return None,
            },
        }
    }
    None
}

fn is_same(now: Stat, before: Stat) -> bool {
    (now.parent, now.started) == (before.parent, before.started)
}

/// Whether a process is `tidegate run-tool`, as far as its command line tells: it shields itself, so
/// its file is not shown. A program that imitates it is taken for a tool, and gains nothing.
pub(super) fn supervises_a_command(pid: u32) -> bool {
    let words = processes::command_line(pid).unwrap_or_default();
    words.get(1).is_some_and(|word| word == RUN_TOOL) && is_named_like_us(words.first())
}

/// Whether it does so for a Tidegate with this state directory, which its next argument names.
pub(super) fn supervises_a_command_for(pid: u32, state_dir: &Path) -> bool {
    let named = processes::command_line(pid).unwrap_or_default().into_iter().nth(2);
    named.is_some_and(|named| Path::new(&named) == state_dir) && supervises_a_command(pid)
}

fn is_named_like_us(program: Option<&String>) -> bool {
    let name = program.map(Path::new).and_then(Path::file_name).and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(PROGRAM_PREFIX))
}

/// A tool's command line for people. There is none while a process becomes another program, or when
/// it took its own away; the kernel has a name for it all the same.
pub(super) fn command(pid: u32) -> String {
    let words = processes::command_line(pid).unwrap_or_default();
    let line = words.iter().filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    if !line.is_empty() {
        return text::one_line(&line, MAX_COMMAND);
    }
    match processes::name(pid) {
        Ok(name) if !name.trim().is_empty() => {
            format!("{} (process {pid})", text::one_line(name.trim(), MAX_COMMAND))
        }
        _ => format!("process {pid}"),
    }
}
