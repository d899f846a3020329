//! A server in a process of its own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tidegate_testkit::bare_server::ReplySizes;
use tidegate_testkit::load::{LoadConnection, LoadDevice};
use tokio::time::sleep;

use crate::machine;
use crate::ordinary_user::OrdinaryUser;
use crate::setting::Setting;
use crate::state;

/// How long a server may take to answer or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which processors a server may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processors {
    /// The second, away from the generator.
    One,
    All,
}

impl Processors {
    pub(crate) fn list(self) -> anyhow::Result<String> {
        let online = fs::read_to_string("/sys/devices/system/cpu/online")?.trim().to_owned();
        if self == Self::All || online == "0" {
            return Ok(online);
        }
        Ok("1".to_owned())
    }
}

/// Where a server keeps what it writes; removed with it.
enum Directory {
    None,
    State(TempDir),
    OrdinaryUser(#[expect(dead_code, reason = "it is only removed")] OrdinaryUser),
}

/// A running server, killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    port: u16,
    directory: Directory,
    started: Instant,
}

impl Server {
    /// Starts Tidegate with `devices` known devices, and waits until it lets the first one in.
    pub(crate) async fn tidegate(
        setting: &Setting,
        processors: Processors,
        devices: u64,
    ) -> anyhow::Result<Self> {
        Self::tidegate_with(setting, processors, devices, &state::defaults()).await
    }

    /// The same with a configuration.
    pub(crate) async fn tidegate_with(
        setting: &Setting,
        processors: Processors,
        devices: u64,
        config: &serde_json::Value,
    ) -> anyhow::Result<Self> {
        let directory = state_directory()?;
        state::prepare(&directory.path().join("state"), devices, config).await?;
        let server = Self::start_tidegate(setting, processors, directory)?;
        server.first_connection().await?.close().await;
        Ok(server)
    }

    /// The same with `devices` known devices, started as an ordinary user in their directory, where the
    /// agent's workspace is `state-workspace`.
    pub(crate) async fn tidegate_as(
        user: OrdinaryUser,
        setting: &Setting,
        processors: Processors,
        devices: u64,
    ) -> anyhow::Result<Self> {
        let (state_dir, home) = (user.directory().join("state"), user.directory().join("home"));
        state::prepare(&state_dir, devices, &state::offline_model()).await?;
        std::fs::create_dir_all(home)?;
        let program = user.program(&setting.tidegate)?;
        user.hand_over()?;
        let port = free_port()?;
        let mut command = Command::new("taskset");
        command.args(["-c", &processors.list()?]).arg(program).arg("--state-dir").arg(state_dir);
        command.args(["serve", "--quiet", "--port", &port.to_string()]);
        let mut command = user.run(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self::spawn(command, port, Directory::OrdinaryUser(user))?;
        server.first_connection().await?.close().await;
        Ok(server)
    }

    /// Starts Tidegate on a state directory and waits for nothing.
    pub(crate) fn start_tidegate(
        setting: &Setting,
        processors: Processors,
        state: TempDir,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = pinned(&setting.tidegate, processors)?;
        command.arg("--state-dir").arg(state.path().join("state"));
        command.args(["serve", "--quiet", "--port", &port.to_string()]);
        Self::spawn(command, port, Directory::State(state))
    }

    /// Starts the bare server, and waits until it lets someone in.
    pub(crate) async fn bare(
        setting: &Setting,
        processors: Processors,
        sizes: ReplySizes,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = pinned(&setting.bare_server, processors)?;
        command.args([port.to_string(), sizes.hello.to_string(), sizes.health.to_string()]);
        let server = Self::spawn(command, port, Directory::None)?;
        server.first_connection().await?.close().await;
        Ok(server)
    }

    fn spawn(mut command: Command, port: u16, directory: Directory) -> anyhow::Result<Self> {
        let started = Instant::now();
        let child = command.spawn().context("the server could not be started")?;
        Ok(Self { child, port, directory, started })
    }

    /// Connects device 0 as soon as the server lets it in.
    pub(crate) async fn first_connection(&self) -> anyhow::Result<LoadConnection> {
        let options = LoadDevice::numbered(0).options(&["operator.read"]);
        loop {
            match LoadConnection::connected(self.port, &options).await {
                Ok((connection, _)) => return Ok(connection),
                Err(error) if self.started.elapsed() > PATIENCE => {
                    return Err(error).context("the server lets nobody in");
                }
                Err(_) => sleep(Duration::from_micros(250)).await,
            }
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// When the process was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn processor_seconds(&self) -> anyhow::Result<f64> {
        machine::processor_seconds(self.child.id())
    }

    /// Whether it has processes below it.
    pub(crate) fn has_children(&self) -> anyhow::Result<bool> {
        machine::has_children(self.child.id())
    }

    pub(crate) fn memory_bytes(&self) -> anyhow::Result<f64> {
        machine::memory_bytes(self.child.id())
    }

    pub(crate) fn written_bytes(&self) -> anyhow::Result<u64> {
        machine::written_bytes(self.child.id())
    }

    /// Stops it in order, and gives its state directory.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Option<TempDir>> {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(process, Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            anyhow::ensure!(Instant::now() < deadline, "the server does not stop");
            sleep(Duration::from_millis(5)).await;
        }
        match std::mem::replace(&mut self.directory, Directory::None) {
            Directory::State(state) => Ok(Some(state)),
            Directory::None | Directory::OrdinaryUser(_) => Ok(None),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `program`, held to its processors. `taskset` becomes it, so the process is its own.
fn pinned(program: &Path, processors: Processors) -> anyhow::Result<Command> {
    let mut command = Command::new("taskset");
    command.args(["-c", &processors.list()?]).arg(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // No session bus, no keyring, no token and no model of the person who measures.
    command.env_clear().env("HOME", "/nonexistent");
    Ok(command)
}

/// A private directory on the file system of the working directory's user, not in a memory disk.
pub(crate) fn state_directory() -> anyhow::Result<TempDir> {
    // The default place for temporary files is in memory on many systems, where a sync is free.
    Ok(tempfile::Builder::new().prefix("tidegate-bench-").tempdir_in("/var/tmp")?)
}

fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Runs a part of this program in a process of its own, on all processors, and gives what it prints.
pub(crate) async fn own_part(arguments: &[&str], last: &Path) -> anyhow::Result<String> {
    let mut command = Command::new("taskset");
    command.args(["-c", &Processors::All.list()?]).arg(std::env::current_exe()?);
    command.args(arguments).arg(last);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    anyhow::ensure!(output.status.success(), "{}", text(&output.stderr));
    Ok(text(&output.stdout))
}
