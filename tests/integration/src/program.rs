//! The real program in a process of its own.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::eventually::PATIENCE;
use crate::place::Place;

/// The shared token of these programs.
pub const TOKEN: &str = "the-shared-token-of-a-test-0123456789abcdef";

/// `tidegate serve` on a free port, killed when it is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What it says once it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    pub port: u16,
    /// How many runs of the process before it were interrupted.
    pub interrupted: u64,
}

impl Ready {
    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }
}

/// Where a program of this package is. Asked for at run time: tests may run elsewhere than where they
/// were built. A path stays what it is.
///
/// # Panics
/// When cargo has built no program of this name for the test.
#[must_use]
pub fn built(name: &str) -> String {
    if name.starts_with('/') {
        return name.to_owned();
    }
    let variable = format!("CARGO_BIN_EXE_{name}");
    std::env::var(&variable).unwrap_or_else(|_| panic!("{variable} is not set"))
}

/// A command of the program `binary` for a place, in an environment that reaches nothing of the user who runs the
/// tests: no keyring, no home directory, no model server.
///
/// # Panics
/// When the place cannot be written.
#[must_use]
pub fn command(binary: &str, place: &Place) -> Command {
    let (home, temporary) = (place.outside().join("home"), place.outside().join("temporary"));
    for directory in [&home, &temporary] {
        fs::create_dir_all(directory).unwrap();
    }
    let mut command = Command::new(built(binary));
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home)
        .env("TMPDIR", temporary)
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
        .env("TIDEGATE_STATE_DIR", place.state_dir())
        .env("TIDEGATE_LOG", "warn")
        .current_dir(place.outside())
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs one command of the command line to its end.
///
/// # Panics
/// When it does not end.
pub async fn run(binary: &str, place: &Place, arguments: &[&str]) -> Output {
    let run = command(binary, place).args(arguments).output();
    timeout(PATIENCE, run).await.expect("the command ends").unwrap()
}

/// Chooses the built-in model, so that no server of this computer answers instead.
///
/// # Panics
/// When the place cannot be written.
pub fn choose_offline_model(state_dir: &Path) {
    fs::create_dir_all(state_dir).unwrap();
    let config = "{ agents: { defaults: { model: { primary: 'offline/demo' } } } }";
    fs::write(state_dir.join("openclaw.json"), config).unwrap();
}

impl Program {
    /// Starts it; it may not serve yet.
    ///
    /// # Panics
    /// When the program cannot be started at all.
    #[must_use]
    pub fn start(binary: &str, place: &Place) -> Self {
        Self::start_logging(binary, place, "warn")
    }

    /// The same, as the last argument of other programs.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_under(others: &[&str], binary: &str, place: &Place) -> Self {
        let plain = command(binary, place);
        let mut command = Command::new(others[0]);
        command.args(&others[1..]).arg(plain.as_std().get_program()).env_clear();
        let variables = plain.as_std().get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.envs(variables).current_dir(place.outside()).kill_on_drop(true).stdin(Stdio::null());
        Self::serve(command.stdout(Stdio::piped()), place)
    }

    /// The same, with everything from this level on in its log.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_logging(binary: &str, place: &Place, level: &str) -> Self {
        let mut command = command(binary, place);
        Self::serve(command.env("TIDEGATE_LOG", level), place)
    }

    fn serve(command: &mut Command, place: &Place) -> Self {
        command.env("TIDEGATE_TOKEN", TOKEN).args(["serve", "--json", "--port", "0"]);
        let log = place.outside().join("stderr.log");
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut child = command.stderr(log).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits until it serves.
    ///
    /// # Panics
    /// When it ends instead, or says nothing.
    pub async fn ready(&mut self) -> Ready {
        let mut interrupted = 0;
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await.expect("a line").unwrap();
            let line: Value =
                serde_json::from_str(&line.expect("the program ended before it served")).unwrap();
            match line["event"].as_str() {
                Some("interrupted") => interrupted = line["runs"].as_u64().unwrap(),
                Some("ready") => {
                    let port = u16::try_from(line["port"].as_u64().unwrap()).unwrap();
                    return Ready { port, interrupted };
                }
                _ => {}
            }
        }
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it has ended and was waited for.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().expect("a running program")
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Panics
    /// When the system refuses.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end, as a service manager does, and gives its exit code.
    ///
    /// # Errors
    /// When it does not end in time.
    ///
    /// # Panics
    /// When it has ended before.
    pub async fn terminate(self, patience: Duration) -> io::Result<Option<i32>> {
        let pid = i32::try_from(self.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.ended(patience).await
    }

    /// Waits until it has ended by itself, and gives its exit code.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn ended(mut self, patience: Duration) -> io::Result<Option<i32>> {
        Ok(timeout(patience, self.child.wait()).await??.code())
    }
}
