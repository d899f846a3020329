//! What a path leads to when the mounts are made is what was planned, or nothing runs.
#![cfg(target_os = "linux")]
// Tests fail by panicking.
#![allow(clippy::expect_used, clippy::panic)]

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidegate_sandbox::bubblewrap::Bubblewrap;
use tidegate_sandbox::spec::{Command, Spec, User};
use tidegate_sandbox::{Limits, StartError, Streams, start};

const SECRET: &str = "a secret outside the workspace";

struct Place {
    _directory: TempDir,
    root: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().canonicalize().expect("canonical");
        for name in ["workspace", "home", "private-home", "temporary", "outside"] {
            std::fs::create_dir(root.join(name)).expect("made");
        }
        std::fs::write(root.join("outside/secret"), SECRET).expect("written");
        Self { _directory: directory, root }
    }

    fn spec(&self) -> Spec {
        Spec {
            workspace: self.root.join("workspace"),
            read_only: Vec::new(),
            home: self.root.join("home"),
            private_home: self.root.join("private-home"),
            temporary: self.root.join("temporary"),
            readable: Vec::new(),
            writable: Vec::new(),
            local_sockets: false,
            proxy_port: None,
            limits: Limits {
                processes: 256,
                open_files: 256,
                data: 1 << 30,
                file_size: 1 << 30,
                inotify_instances: 8,
            },
        }
    }

    /// Runs a command and gives what it printed.
    fn run(&self, spec: &Spec, command: &str) -> Result<String, StartError> {
        let mut output = tempfile::tempfile().expect("a file");
        let copy = || File::from(std::os::fd::OwnedFd::from(output.try_clone().expect("cloned")));
        let streams = Streams {
            input: File::open("/dev/null").expect("there").into(),
            output: copy().into(),
            errors: copy().into(),
        };
        let user = User {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            name: "person".to_owned(),
            home: spec.home.clone(),
        };
        let command = Command {
            program: "/bin/sh".into(),
            arguments: ["sh", "-c", command].map(str::to_owned).into(),
            environment: Vec::new(),
            directory: spec.workspace.clone(),
            terminal: false,
        };
        let bubblewrap = Bubblewrap::find().expect("bubblewrap is installed");
        let mut started = start(&bubblewrap, spec, &user, &command, &[], streams)?;
        started.process.wait().expect("it ends");
        output.rewind().expect("from the start");
        let mut text = String::new();
        output.read_to_string(&mut text).expect("text");
        Ok(text)
    }
}

fn assert_replaced(result: Result<String, StartError>, path: &Path) {
    match result {
        Err(StartError::Inside { reason }) => {
            assert!(reason.contains("was replaced") && reason.contains(&*path.to_string_lossy()), "{reason}");
        }
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn a_command_runs_where_every_path_is_what_it_was() {
    let place = Place::new();
    let mut spec = place.spec();
    std::fs::write(spec.workspace.join("guarded"), "mine").expect("written");
    spec.read_only = vec![spec.workspace.join("guarded")];
    spec.writable = vec![place.root.join("outside")];
    let command = "cat guarded; echo x > guarded || echo held; echo y > ../outside/new";
    let printed = place.run(&spec, command).expect("it runs");
    assert!(printed.starts_with("mine") && printed.contains("held"), "{printed}");
    assert_eq!(std::fs::read_to_string(place.root.join("outside/new")).expect("written"), "y\n");
}

/// As it would be when another command exchanged the name before the mounts are made: bubblewrap or the
/// first program inside refuses it.
#[test]
fn a_guarded_name_that_leads_elsewhere_shows_nothing() {
    let place = Place::new();
    let mut spec = place.spec();
    let name = spec.workspace.join("guarded");
    symlink(place.root.join("outside/secret"), &name).expect("linked");
    spec.read_only = vec![name.clone()];
    let result = place.run(&spec, "cat guarded");
    assert!(matches!(result, Err(StartError::Refused { .. } | StartError::Inside { .. })), "{result:?}");
}

#[test]
fn a_granted_folder_that_leads_elsewhere_is_not_given() {
    let place = Place::new();
    for grant in [
        |spec: &mut Spec, path| spec.writable = vec![path],
        |spec: &mut Spec, path| spec.readable = vec![path],
    ] {
        let mut spec = place.spec();
        let link = place.root.join("link");
        let _ = std::fs::remove_file(&link);
        symlink(place.root.join("outside"), &link).expect("linked");
        grant(&mut spec, link.clone());
        assert_replaced(place.run(&spec, "cat ../link/secret"), &link);
    }
}
