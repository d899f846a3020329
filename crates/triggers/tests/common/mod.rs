//! A workspace with a guard, and git as the person runs it.

#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::expect_used, clippy::panic)]

use std::fs;
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tempfile::TempDir;
use tidegate_triggers::{Finding, Guard, Notice};

/// Long enough for any machine: what is waited for comes, or the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Fixture {
    directory: TempDir,
    pub(crate) notices: Receiver<Notice>,
    pub(crate) guard: Guard,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::prepared(|_| {})
    }

    /// With what `prepare` makes in the workspace before it is watched over.
    pub(crate) fn prepared(prepare: impl FnOnce(&Place)) -> Self {
        let directory = tempfile::tempdir().expect("made");
        let root = directory.path().canonicalize().expect("found");
        for name in ["workspace", "aside", "home"] {
            fs::create_dir(root.join(name)).expect("made");
        }
        let place = Place { root: root.clone() };
        place.program("evil", "echo ran >> \"$(dirname \"$0\")/ran\"");
        prepare(&place);
        let (sender, notices) = channel();
        let open = |name| File::open(root.join(name)).expect("opened");
        let notify = Arc::new(move |notice| drop(sender.send(notice)));
        let guard = Guard::start(open("workspace"), &root.join("workspace"), open("aside"), notify)
            .expect("watched over");
        Self { directory, notices, guard }
    }

    pub(crate) fn place(&self) -> Place {
        Place { root: self.directory.path().canonicalize().expect("found") }
    }

    /// Waits for a finding about a place.
    pub(crate) fn wait_for(&self, place: &str) -> Finding {
        loop {
            match self.notices.recv_timeout(PATIENCE) {
                Ok(Notice::Finding(finding)) if finding.place.path() == Path::new(place) => return finding,
                Ok(_) => {}
                Err(error) => panic!("nothing was found at {place}: {error}"),
            }
        }
    }
}

/// The folders of a test.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) root: PathBuf,
}

impl Place {
    pub(crate) fn workspace(&self) -> PathBuf {
        self.root.join("workspace")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.workspace().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("inside")).expect("made");
        fs::write(path, content).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("read")
    }

    /// A script beside the workspace.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.root.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        path
    }

    /// A setting that runs the program that leaves a mark.
    pub(crate) fn hostile(&self) -> String {
        format!("[core]\n\tbare = false\n\tfsmonitor = {}\n", self.root.join("evil").display())
    }

    /// How often the program that leaves a mark has run.
    pub(crate) fn marks(&self) -> usize {
        fs::read_to_string(self.root.join("ran")).unwrap_or_default().lines().count()
    }

    pub(crate) fn git_in(&self, folder: &str, arguments: &[&str]) -> Output {
        self.command("git").args(arguments).current_dir(self.path(folder)).output().expect("git is installed")
    }

    /// git, which must succeed.
    pub(crate) fn git(&self, folder: &str, arguments: &[&str]) -> String {
        let output = self.git_in(folder, arguments);
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A shell in the workspace, as a command of an agent.
    pub(crate) fn shell(&self, script: &str) {
        let evil = self.root.join("evil");
        let output = self
            .command("sh")
            .args(["-ec", script])
            .env("EVIL", evil)
            .current_dir(self.workspace())
            .output()
            .expect("started");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A program with none of this computer's settings.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.root.join("home"));
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_NAME", "Ada"),
            ("GIT_AUTHOR_EMAIL", "ada@example.org"),
            ("GIT_COMMITTER_NAME", "Ada"),
            ("GIT_COMMITTER_EMAIL", "ada@example.org"),
            ("GIT_CONFIG_COUNT", "2"),
            ("GIT_CONFIG_KEY_0", "protocol.file.allow"),
            ("GIT_CONFIG_VALUE_0", "always"),
            ("GIT_CONFIG_KEY_1", "init.defaultBranch"),
            ("GIT_CONFIG_VALUE_1", "main"),
        ] {
            command.env(name, value);
        }
        command
    }

    /// A repository with one commit.
    pub(crate) fn repository(&self, folder: &str) {
        self.write(&format!("{folder}/file"), "content\n");
        self.git(folder, &["init", "-q"]);
        self.git(folder, &["add", "file"]);
        self.git(folder, &["commit", "-q", "-m", "first"]);
    }
}
