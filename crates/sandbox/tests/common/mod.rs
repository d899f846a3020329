//! A place with folders for a sandbox, and commands in it.
#![allow(dead_code)]

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidegate_sandbox::bubblewrap::Bubblewrap;
use tidegate_sandbox::spec::{Command, Spec, User};
use tidegate_sandbox::{Layers, Limits, StartError, Started, Streams, start};

/// What the file outside holds.
pub(crate) const SECRET: &str = "a secret outside the workspace";

/// `root/{workspace,home,private-home,temporary,outside}`.
pub(crate) struct Place {
    _directory: TempDir,
    pub(crate) root: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::new_in(&std::env::temp_dir())
    }

    pub(crate) fn new_in(folder: &Path) -> Self {
        let directory = tempfile::tempdir_in(folder).expect("a directory");
        let root = directory.path().canonicalize().expect("canonical");
        for name in ["workspace", "home", "private-home", "temporary", "outside"] {
            std::fs::create_dir(root.join(name)).expect("made");
        }
        std::fs::write(root.join("outside/secret"), SECRET).expect("written");
        Self { _directory: directory, root }
    }

    pub(crate) fn spec(&self) -> Spec {
        Spec {
            workspace: self.root.join("workspace"),
            read_only: Vec::new(),
            home: self.root.join("home"),
            private_home: self.root.join("private-home"),
            temporary: self.root.join("temporary"),
            readable: Vec::new(),
            writable: Vec::new(),
            repositories: Vec::new(),
            local_sockets: false,
            proxy_port: None,
            loopback_sockets: 0,
            scope: None,
            limits: Limits {
                processes: 256,
                open_files: 256,
                data: 1 << 30,
                file_size: 1 << 30,
                inotify_instances: 8,
            },
        }
    }

    /// Runs a command line and gives what it printed.
    pub(crate) fn run(&self, spec: &Spec, command: &str) -> Result<String, StartError> {
        let arguments = ["sh", "-c", command].map(str::to_owned).into();
        let bubblewrap = Bubblewrap::find().expect("bubblewrap is installed");
        Ok(self.run_program(&bubblewrap, spec, "/bin/sh", arguments)?.1)
    }

    /// Runs a program and gives which layers were put on, and what it printed.
    pub(crate) fn run_program(
        &self,
        bubblewrap: &Bubblewrap,
        spec: &Spec,
        program: &str,
        arguments: Vec<String>,
    ) -> Result<(Layers, String), StartError> {
        let (mut started, mut output) = self.start(bubblewrap, spec, program, arguments)?;
        started.process.wait().expect("it ends");
        output.rewind().expect("from the start");
        let mut text = String::new();
        output.read_to_string(&mut text).expect("text");
        Ok((started.layers, text))
    }

    /// Starts a program, and gives the file that it prints into.
    pub(crate) fn start(
        &self,
        bubblewrap: &Bubblewrap,
        spec: &Spec,
        program: &str,
        arguments: Vec<String>,
    ) -> Result<(Started, File), StartError> {
        let output = tempfile::tempfile().expect("a file");
        let copy = || File::from(OwnedFd::from(output.try_clone().expect("cloned")));
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
            program: program.into(),
            arguments,
            environment: Vec::new(),
            directory: spec.workspace.clone(),
            terminal: false,
        };
        Ok((start(bubblewrap, spec, &user, &command, &[], streams)?, output))
    }
}
