//! Runs a command in a sandbox: `sandboxed WORKSPACE COMMAND`. For trying things.
#![allow(clippy::print_stderr)]

use std::path::PathBuf;

use tidegate_sandbox::bubblewrap::Bubblewrap;
use tidegate_sandbox::spec::{Command, Spec, User};
use tidegate_sandbox::{Streams, start};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let workspace = PathBuf::from(arguments.next().ok_or("no workspace")?).canonicalize()?;
    let command = arguments.next().ok_or("no command")?;
    let scratch = std::env::temp_dir().join(format!("sandboxed-{}", std::process::id()));
    let home = PathBuf::from(std::env::var("HOME")?);
    for name in ["home", "tmp"] {
        std::fs::create_dir_all(scratch.join(name))?;
    }
    let spec = Spec {
        workspace: workspace.clone(),
        read_only: Vec::new(),
        home: home.clone(),
        private_home: scratch.join("home"),
        temporary: scratch.join("tmp"),
        readable: Vec::new(),
        writable: Vec::new(),
        repositories: Vec::new(),
        local_sockets: false,
        proxy_port: None,
        loopback_sockets: 0,
        scope: None,
        limits: tidegate_inside::Limits {
            processes: 2048,
            open_files: 4096,
            data: 4 << 30,
            file_size: 16 << 30,
            inotify_instances: 32,
        },
    };
    let user = User {
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        name: "person".to_owned(),
        home: home.clone(),
    };
    let command = Command {
        program: "/bin/sh".into(),
        arguments: vec!["sh".to_owned(), "-c".to_owned(), command],
        environment: vec![
            ("HOME".to_owned(), home.display().to_string()),
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ],
        directory: workspace,
        terminal: false,
    };
    let streams = Streams {
        input: std::fs::File::open("/dev/null")?.into(),
        output: rustix::io::dup(std::io::stdout())?,
        errors: rustix::io::dup(std::io::stderr())?,
    };
    let before = std::time::Instant::now();
    let mut started = start(&Bubblewrap::find()?, &spec, &user, &command, &[], streams)?;
    eprintln!("ready after {:?}: {:?}", before.elapsed(), started.layers);
    let status = started.process.wait()?;
    eprintln!("{status} after {:?} {:?}", before.elapsed(), started.program_failure());
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}
