//! What `run-tool` and the first program inside a command's sandbox say to each other.
//!
//! The program (`tidegate-inside`) runs when the namespaces and mounts are there and before anything
//! of the command does. It checks that each mount is what it was meant to be, hands out the sockets
//! that the host serves, puts on Landlock and limits, and becomes the command.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The version of these messages. Both ends come from the same build.
pub const VERSION: u32 = 3;
/// Pairs of [`Instructions::loopback_sockets`] that can be handed out at most.
pub const MAX_LOOPBACK_SOCKETS: usize = 32;
/// Descriptors that go out with [`Report::Ready`] at most.
pub const MAX_HANDED_OUT: usize = 1 + 2 * MAX_LOOPBACK_SOCKETS;

/// What the program does. Its standard input is a stream socket, on which it first receives one byte
/// with [`Handed`] descriptors in order; the first of them holds this as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instructions {
    pub version: u32,
    /// Whether the command's streams are a terminal that becomes its own.
    pub terminal: bool,
    /// The port on 127.0.0.1 on which the command finds the host's proxy. The listening socket is
    /// handed out with [`Report::Ready`].
    pub proxy_port: Option<u16>,
    /// How many pairs of sockets, one for IPv4 and one for IPv6, are handed out that are not connected
    /// yet: through them the host reaches servers of the command. They come after the proxy's, all
    /// for IPv4 first; those for IPv6 are left out where the kernel has none.
    pub loopback_sockets: u16,
    /// Paths that must be what they were when the sandbox was planned.
    pub identities: Vec<ExpectedIdentity>,
    /// What the command may do with files, beside what mounts and modes say.
    pub file_rules: Vec<FileRule>,
    /// What the command may use up.
    pub limits: Limits,
    /// Where the command starts.
    pub directory: PathBuf,
    pub program: PathBuf,
    /// Its arguments, the name of the program first.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
}

/// The descriptors that the program receives, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    /// The [`Instructions`], at their start.
    Instructions,
    /// The reading end of a pipe that hangs up when `run-tool` ends.
    Lifeline,
    /// The command's standard input.
    Input,
    /// Its standard output.
    Output,
    /// Its error output.
    Errors,
}

impl Handed {
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// A path that must lead to this file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedIdentity {
    /// The path inside the sandbox.
    pub path: PathBuf,
    pub device: u64,
    pub inode: u64,
    /// Whether it lies in a read-only mount: a path can lead back to what it was, and the mount lie elsewhere.
    pub read_only: bool,
}

/// A Landlock rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileRule {
    /// The file or directory; the rule reaches everything below it.
    pub path: PathBuf,
    /// What is allowed there.
    pub access: FileAccess,
}

/// What a [`FileRule`] allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FileAccess {
    /// Read, list and run.
    Read,
    /// And write to files that are there, and use devices.
    Devices,
    /// Everything in a person's folder: files, directories and links, but no named pipes, sockets or
    /// devices.
    Folder,
    /// The same, but no symbolic links: programs outside follow them.
    FolderWithoutLinks,
    /// The same as [`Self::Folder`], and sockets.
    FolderWithSockets,
    /// Everything but devices.
    Private,
}

/// What a command may use up. Numbers of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Processes and threads, counted for the command alone where it has a user namespace.
    pub processes: u64,
    /// Open files of each process.
    pub open_files: u64,
    /// Writable private memory of each process (`RLIMIT_DATA`).
    pub data: u64,
    /// Size of a file.
    pub file_size: u64,
    /// Inotify instances, where the kernel lets it be set.
    pub inotify_instances: u32,
}

/// What the program tells on its socket before it becomes the command: lines of JSON. No line means
/// that it could not even read its instructions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "report")]
pub enum Report {
    /// The command runs now, unless its program cannot be run, which a second line tells.
    Ready(Layers),
    /// The command does not run.
    Refused {
        /// A sentence without a full stop.
        reason: String,
    },
}

/// What is in force, of what can be told from inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layers {
    /// Landlock's rules about files.
    pub file_rules: Enforcement,
    /// Landlock's scopes: no signals and no abstract sockets to the outside.
    pub scopes: Enforcement,
    /// Whether inotify instances are limited apart from the person's own.
    pub inotify: bool,
}

/// How far the kernel enforces something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Enforcement {
    /// All of it.
    Full,
    /// What this kernel knows of it.
    Partial,
    None,
}

/// A layer of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// Own users, processes, network and messages.
    Namespaces,
    /// An own view of files.
    Mounts,
    /// The system call filter.
    Filter,
    /// Landlock's rules about files.
    FileRules,
    Scopes,
    /// Inotify instances apart from the person's.
    Inotify,
}

impl Layer {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Namespaces, Self::Mounts, Self::Filter, Self::FileRules, Self::Scopes, Self::Inotify];

    /// Whether there is no sandbox without it.
    #[must_use]
    pub fn is_required(self) -> bool {
        matches!(self, Self::Namespaces | Self::Mounts | Self::Filter | Self::FileRules)
    }

    /// Its name in lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Mounts => "mounts",
            Self::Filter => "system call filter",
            Self::FileRules => "Landlock file rules",
            Self::Scopes => "Landlock scopes",
            Self::Inotify => "inotify limit",
        }
    }
}

/// What the probe tries to reach, all of it alive and outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Targets {
    /// A port on 127.0.0.1 that accepts.
    pub port: u16,
    /// A socket file in the workspace that accepts.
    pub socket: PathBuf,
    /// A file that only its user may read.
    pub secret: PathBuf,
    pub process: i32,
}

/// What the probe found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The layer that prevents it; `None` for what must work.
    pub layer: Option<Layer>,
    /// What was tried, as "to ...".
    pub attempt: String,
    /// Whether it came out as it must.
    pub is_right: bool,
    /// What the system said.
    pub outcome: String,
}
