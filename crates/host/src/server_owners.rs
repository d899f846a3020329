//! Who runs a model server on this computer, as the process table tells.

use tidegate_peers::port_owner;
use tidegate_providers::local::{ServerOwner, ServerOwners, Standing};

/// The users below this number are the system's: services have them, people do not (`login.defs(5)`,
/// `SYS_UID_MAX`).
const FIRST_PERSON: u32 = 1000;

/// Asks the process table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessTable;

impl ServerOwners for ProcessTable {
    fn owner(&self, port: u16) -> Option<ServerOwner> {
        let owner = port_owner::find(port)?;
        let standing = standing(owner.user, own_user(), owner.pid.map(is_started_by_us));
        Some(ServerOwner { user: owner.user, words: owner.to_string(), standing })
    }
}

/// `is_tool` tells whether one of our tools listens; `None` when the process is not known. Other
/// users' processes cannot be seen, and no tool is one: tools run as our own user.
fn standing(user: u32, own: u32, is_tool: Option<bool>) -> Standing {
    match is_tool {
        Some(true) => Standing::Tool,
        Some(false) if user == own => Standing::OwnUser,
        None if user == own => Standing::Unidentified,
        _ if user < FIRST_PERSON => Standing::SystemAccount,
        _ => Standing::OtherUser,
    }
}

#[cfg(unix)]
fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn own_user() -> u32 {
    // No owner is found on such a system.
    u32::MAX
}

/// Whether a process was started by this one, directly or not. What tools leave behind becomes a child
/// of ours when its parent ends, because we are a child subreaper.
fn is_started_by_us(pid: u32) -> bool {
    let own = std::process::id();
    let mut process = pid;
    // No line of parents is longer; one that is was changed while it was read.
    for _ in 0..1024 {
        match parent(process) {
            Some(parent) if parent == own => return true,
            Some(parent) if parent > 1 => process = parent,
            _ => return false,
        }
    }
    true
}

/// The fourth field of `/proc/PID/stat` (proc_pid_stat(5)).
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so what follows its last end counts.
    stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn own_and_system_programs_are_told_from_others() {
        for (user, is_tool, expected) in [
            (1000, Some(false), Standing::OwnUser),
            (1000, Some(true), Standing::Tool),
            (1000, None, Standing::Unidentified),
            (998, None, Standing::SystemAccount),
            (0, None, Standing::SystemAccount),
            (1001, None, Standing::OtherUser),
            (65_534, None, Standing::OtherUser),
        ] {
            assert_eq!(standing(user, 1000, is_tool), expected, "{user} {is_tool:?}");
        }
    }

    #[test]
    fn a_server_that_a_tool_opens_is_a_tools() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let own = ProcessTable.owner(port).expect("an owner");
        assert_eq!((own.user, own.standing), (own_user(), Standing::OwnUser));

        // The child holds the socket as its standard input, and we do not any more.
        let stdin = std::os::fd::OwnedFd::from(listener);
        let mut child = std::process::Command::new("sleep").arg("60").stdin(stdin).spawn().expect("started");
        let tool = ProcessTable.owner(port).expect("an owner");
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert_eq!(tool.standing, Standing::Tool, "{tool}");
        assert!(tool.to_string().contains(&format!("process {}", child.id())), "{tool}");
    }
}
