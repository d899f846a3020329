//! What a contained command costs, above a bare sandbox.
//!
//! Measured is the whole call of the tool `exec`, once it is allowed: with the process that starts it,
//! the guard of trigger files and the checks of every mount.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidegate_agent::SystemClock;
use tidegate_agent::approval::{ApprovalAnswer, ApprovalGate, ApprovalQuestion};
use tidegate_agent::authority::{Owner, RunAuthority};
use tidegate_agent::command::ActiveCommands;
use tidegate_agent::tool::{NetworkUse, Tool, ToolContext, ToolUpdates};
use tidegate_protocol::{AgentId, RunId, SessionKey};
use tidegate_sandbox::spec::User;
use tidegate_tools::{Launcher, Protected, Sandboxes, ToolEnvironment, ToolsConfig, standard_tools};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ordinary_user::OrdinaryUser;
use crate::report::Row;
use crate::setting::Setting;
use crate::statistics::{median, spread};

const COMMANDS: usize = 50;
const ROUNDS: usize = 20;
const AT_ONCE: usize = 8;

/// What the process is measured.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The program that starts commands
    #[arg(long)]
    tool_runner: PathBuf,
    /// A directory with `workspace`, `home`, `state` and `temporary`
    directory: PathBuf,
}

/// Milliseconds, command by command or round by round.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Measured {
    bare: Vec<f64>,
    ours: Vec<f64>,
    bare_at_once: Vec<f64>,
    ours_at_once: Vec<f64>,
}

struct AllowAll;

impl ApprovalGate for AllowAll {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        Box::pin(async move { ApprovalAnswer::Allowed { digest: question.plan.digest() } })
    }
}

/// Runs the commands, and prints what they took.
pub(crate) async fn run_once(arguments: Arguments) -> anyhow::Result<()> {
    tidegate_tools::shield_process()?;
    let tool = exec(&arguments)?;
    let workspace = arguments.directory.join("workspace").canonicalize()?;
    let mut measured = Measured::default();
    // The first finds out which layers there are.
    ours(&*tool, &workspace).await?;
    for _ in 0..COMMANDS {
        measured.bare.push(milliseconds(at_once(1, || bare(&workspace))).await?);
        measured.ours.push(milliseconds(ours(&*tool, &workspace)).await?);
    }
    for _ in 0..ROUNDS {
        measured.bare_at_once.push(milliseconds(at_once(AT_ONCE, || bare(&workspace))).await?);
        let many = at_once(AT_ONCE, || {
            let (tool, workspace) = (tool.clone(), workspace.clone());
            async move { ours(&*tool, &workspace).await }
        });
        measured.ours_at_once.push(milliseconds(many).await?);
    }
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn exec(arguments: &Arguments) -> anyhow::Result<Arc<dyn Tool>> {
    let root = arguments.directory.canonicalize()?;
    let user = User {
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        name: "person".to_owned(),
        home: root.join("home"),
    };
    let tools = standard_tools(ToolsConfig {
        launcher: Launcher::new(arguments.tool_runner.clone()),
        protected: Protected::for_home(&root.join("home"), &root.join("state"), &root.join("config.json")),
        temporary: root.join("temporary"),
        environment: ToolEnvironment::from_host(std::env::vars_os(), &root.join("temporary")),
        sandboxes: Arc::new(Sandboxes::new(root.join("state/sandbox"), user)),
    });
    tools.into_iter().find(|tool| tool.description().name == "exec").context("there is no tool exec")
}

async fn ours(tool: &dyn Tool, workspace: &Path) -> anyhow::Result<()> {
    let context = ToolContext {
        run: RunId::parse("run-1")?,
        session: SessionKey::main(&AgentId::default_agent()),
        ancestors: Vec::new(),
        authority: RunAuthority::root(
            Owner::Owner { name: "bench".to_owned() },
            workspace.to_owned(),
            BTreeSet::from(["exec".to_owned()]),
        ),
        task: RunId::parse("run-1")?,
        network: NetworkUse::default(),
        approvals: Arc::new(AllowAll),
        cancelled: CancellationToken::new(),
        call_id: "call-1".to_owned(),
        updates: ToolUpdates::ignored(),
        commands: ActiveCommands::new(Arc::new(SystemClock)),
    };
    let output = tool.call(context, json!({ "command": "echo done" })).await;
    anyhow::ensure!(!output.is_error && output.text.contains("done"), "the command failed: {}", output.text);
    anyhow::ensure!(!output.text.contains("confined in part"), "there is no whole sandbox here");
    Ok(())
}

/// The same command in the barest sandbox that has its programs.
fn bare(workspace: &Path) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
    let mut command = tokio::process::Command::new("bwrap");
    command.args(["--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr"]);
    for name in ["bin", "lib", "lib64"] {
        command.args(["--symlink", &format!("usr/{name}"), &format!("/{name}")]);
    }
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind"]);
    command.arg(workspace).arg(workspace).args(["--", "/bin/sh", "-c", "echo done"]);
    async move {
        let output = command.output().await.context("bwrap could not be started")?;
        anyhow::ensure!(output.stdout == b"done\n", "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

async fn at_once<F>(count: usize, work: impl Fn() -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let mut running: JoinSet<_> = (0..count).map(|_| work()).collect();
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

async fn milliseconds(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<f64> {
    let since = Instant::now();
    work.await?;
    Ok(since.elapsed().as_secs_f64() * 1e3)
}

/// One toolchain, and three kinds of trigger files.
fn fill(directory: &Path) -> anyhow::Result<()> {
    for name in [
        "workspace/.git/hooks",
        "workspace/.vscode",
        "home/.cargo/bin",
        "home/.cargo/registry",
        "state/sandbox",
        "temporary",
    ] {
        fs::create_dir_all(directory.join(name))?;
    }
    let git = directory.join("workspace/.git");
    for name in ["objects/info", "objects/pack", "refs/heads", "info"] {
        fs::create_dir_all(git.join(name))?;
    }
    fs::write(git.join("HEAD"), "ref: refs/heads/main\n")?;
    fs::write(git.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = false\n")?;
    fs::write(directory.join("workspace/.vscode/settings.json"), "{}")?;
    fs::write(directory.join("workspace/.envrc"), "export A=1\n")?;
    Ok(())
}

pub(super) async fn contained(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let user = OrdinaryUser::new()?;
    fill(user.directory())?;
    let (program, runner) = (user.program(&std::env::current_exe()?)?, user.program(&setting.tidegate)?);
    user.hand_over()?;
    let mut command = Command::new("taskset");
    command.args(["-c", &crate::server::Processors::All.list()?]).arg(program).arg("command-times");
    command.arg("--tool-runner").arg(runner).arg(user.directory());
    let mut command = user.run(&mut command);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured: Measured = serde_json::from_str(text.trim()).context(text)?;
    let (bare, ours) = (median(&measured.bare), median(&measured.ours));
    let ((least, most), (bare_least, bare_most)) = (spread(&measured.ours), spread(&measured.bare));
    let note = format!(
        "median of {COMMANDS} each, taking turns, as an ordinary user: {ours:.1} ms ({least:.1} - {most:.1}) for \
         a whole call of `exec` that is allowed at once, with one toolchain and three kinds of trigger files; bare \
         `bwrap` {bare:.1} ms ({bare_least:.1} - {bare_most:.1})."
    );
    let many_note = format!(
        "median of {ROUNDS} rounds until all {AT_ONCE} have ended; bare `bwrap` {:.1} ms.",
        median(&measured.bare_at_once)
    );
    Ok(vec![
        Row::new("contained command, above bare bwrap", ours - bare, "ms").limits(12.0, 6.0).note(note),
        Row::sample("8 contained commands at once", &measured.ours_at_once, "ms")
            .limits(130.0, 60.0)
            .note(many_note),
    ])
}
