//! What a command's sandbox is to hold.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a command may reach, decided before it starts. Paths are absolute and without symbolic links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The folder in which the command works.
    pub workspace: PathBuf,
    /// Names in the workspace or in the repositories that the command can neither change, move nor remove.
    pub read_only: Vec<PathBuf>,
    /// The person's home directory, as programs name it.
    pub home: PathBuf,
    /// What the command finds there instead: a directory that only sandboxes see.
    pub private_home: PathBuf,
    /// What the command finds as `/tmp`: an empty directory for this command alone.
    pub temporary: PathBuf,
    /// Folders outside that the command may only read: toolchains.
    pub readable: Vec<PathBuf>,
    /// Folders outside that the command may write as well.
    pub writable: Vec<PathBuf>,
    /// Folders of a repository outside that the command may write, without making symbolic links there.
    pub repositories: Vec<PathBuf>,
    /// Whether the command may make sockets that are bound to files in its folders.
    pub local_sockets: bool,
    /// The port on 127.0.0.1 inside at which the host's proxy is offered, when the command may use the
    /// network.
    pub proxy_port: Option<u16>,
    /// How many connections at a time the host can make to servers of the command.
    pub loopback_sockets: u16,
    /// A control group around the whole sandbox, where the person wants one.
    #[cfg(unix)]
    pub scope: Option<crate::scope::MemoryScope>,
    /// What the command may use up.
    pub limits: tidegate_inside::Limits,
}

/// Who the command seems to run as; its name stands in the sandbox's own list of users, because the
/// system's list may lack it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The user's name.
    pub name: String,
    /// The home directory.
    pub home: PathBuf,
}

impl User {
    /// Lines of passwd(5) and group(5): this user, and the usual entries for what belongs to nobody.
    #[must_use]
    pub fn files(&self) -> (String, String) {
        // A colon or a line break would be another field or another user.
        let plain =
            |text: &str| -> String { text.chars().filter(|&one| one != ':' && !one.is_control()).collect() };
        let (name, home) = (plain(&self.name), plain(&self.home.to_string_lossy()));
        let mut users = String::new();
        let mut groups = String::new();
        if self.uid != 0 {
            users.push_str("root:x:0:0:root:/:/usr/sbin/nologin\n");
        }
        if self.gid != 0 {
            groups.push_str("root:x:0:\n");
        }
        users.push_str(&format!("{name}:x:{}:{}::{home}:/bin/sh\n", self.uid, self.gid));
        groups.push_str(&format!("{name}:x:{}:\n", self.gid));
        users.push_str("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
        groups.push_str("nogroup:x:65534:\n");
        (users, groups)
    }
}

/// What runs in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// The program, as the sandbox names it.
    pub program: PathBuf,
    /// Its arguments, its own name first.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Where it starts: the workspace, a directory in it, or one of the granted folders.
    pub directory: PathBuf,
    /// Whether its streams are a terminal.
    pub terminal: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_add_users() {
        let user = User {
            uid: 1000,
            gid: 1000,
            name: "a:x:0:0\nroot2:x:0:0".to_owned(),
            home: PathBuf::from("/home/a\nb:c"),
        };
        let (users, groups) = user.files();
        assert_eq!(users.lines().count(), 3);
        assert_eq!(groups.lines().count(), 3);
        assert!(users.contains("ax00root2x00:x:1000:1000::/home/abc:/bin/sh\n"), "{users}");
    }
}
