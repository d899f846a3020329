//! A workspace with something outside it, the tools over it, and answers for their questions.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rustix::fs::CWD;
use serde_json::Value;
use tempfile::TempDir;
use tidegate_agent::SystemClock;
use tidegate_agent::approval::{
    ApprovalAnswer, ApprovalGate, ApprovalPlan, ApprovalQuestion, ExecPlan, FilePlan,
};
use tidegate_agent::authority::{Owner, RunAuthority};
use tidegate_agent::command::ActiveCommands;
use tidegate_agent::tool::{NetworkUse, Tool, ToolContext, ToolOutput, ToolUpdates};
use tidegate_protocol::{AgentId, RunId, SessionKey};
use tidegate_tools::{Launcher, Protected, Sandboxes, ToolEnvironment, ToolsConfig, standard_tools};
use tokio_util::sync::CancellationToken;

/// What the file outside the workspace contains.
pub(crate) const SECRET: &str = "a secret outside the workspace";
/// How long a condition may take to come true.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// A port that nobody uses. It lies below those that the system gives to a program that asks for any, so that
/// nobody gets it before it is used.
pub(crate) fn free_port() -> u16 {
    loop {
        let number = RandomState::new().build_hasher().finish();
        let port = 20_000 + u16::try_from(number % 12_000).expect("it is small");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// `root/{workspace,temporary,state,home,outside}`.
pub(crate) struct Fixture {
    _directory: TempDir,
    pub(crate) root: PathBuf,
    pub(crate) protected: Protected,
    pub(crate) sandboxes: Arc<Sandboxes>,
    /// Variables of the host, beside the real ones.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// The server that every public name leads to.
    pub(crate) server: Option<SocketAddr>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path().canonicalize().expect("canonical");
        for name in ["workspace", "temporary", "state", "home", "outside"] {
            std::fs::create_dir(root.join(name)).expect("a directory");
        }
        std::fs::write(root.join("outside/secret"), SECRET).expect("written");
        std::fs::write(root.join("state/store.sqlite"), SECRET).expect("written");
        std::fs::write(root.join("config.json"), SECRET).expect("written");
        let protected =
            Protected::for_home(&root.join("home"), &root.join("state"), &root.join("config.json"));
        let sandboxes = Arc::new(Sandboxes::new(root.join("state/sandbox"), person(&root)));
        Self { _directory: directory, root, protected, sandboxes, variables: Vec::new(), server: None }
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.root.join("workspace")
    }

    /// Writes a file below the root, with the directories above it.
    pub(crate) fn file(&self, path: &str, content: &str) -> PathBuf {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().expect("below the root")).expect("directories");
        std::fs::write(&path, content).expect("written");
        path
    }

    pub(crate) fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }

    pub(crate) fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let temporary = self.root.join("temporary");
        let mut launcher = Launcher::new(tool_host());
        launcher.arguments.extend(self.server.map(|server| server.to_string().into()));
        standard_tools(ToolsConfig {
            launcher,
            protected: self.protected.clone(),
            environment: ToolEnvironment::from_host(
                std::env::vars_os().chain(self.variables.clone()),
                &temporary,
            ),
            temporary,
            sandboxes: Arc::clone(&self.sandboxes),
        })
    }

    /// A run in `workspace/` that may use every tool.
    pub(crate) fn context(&self, gate: impl ApprovalGate + 'static) -> ToolContext {
        self.context_in(&self.workspace(), gate)
    }

    pub(crate) fn context_in(&self, workspace: &Path, gate: impl ApprovalGate + 'static) -> ToolContext {
        let tools = ["read", "write", "edit", "ls", "glob", "grep", "exec"].map(str::to_owned);
        ToolContext {
            run: RunId::parse("run-1").expect("valid"),
            session: SessionKey::main(&AgentId::default_agent()),
            ancestors: Vec::new(),
            authority: RunAuthority::root(
                Owner::Owner { name: "test".to_owned() },
                workspace.to_owned(),
                BTreeSet::from(tools),
            ),
            task: RunId::parse("run-1").expect("valid"),
            network: NetworkUse::default(),
            approvals: Arc::new(gate),
            cancelled: CancellationToken::new(),
            call_id: "call-1".to_owned(),
            updates: ToolUpdates::ignored(),
            commands: ActiveCommands::new(Arc::new(SystemClock)),
        }
    }

    /// Calls a tool in `workspace/`; every command is allowed, and no file outside.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> ToolOutput {
        self.call_in(self.context(AllowCommands), tool, arguments).await
    }

    pub(crate) async fn call_in(&self, context: ToolContext, tool: &str, arguments: Value) -> ToolOutput {
        let tools = self.tools();
        let tool = tools.iter().find(|known| known.description().name == tool).expect("a known tool");
        tool.call(context, arguments).await
    }

    /// The text of a call that must fail.
    pub(crate) async fn refused(&self, tool: &str, arguments: Value) -> String {
        let output = self.call(tool, arguments).await;
        assert!(output.is_error, "it was not refused: {}", output.text);
        output.text
    }
}

/// Who commands seem to run as: the user who runs the tests, with a home directory of their own.
pub(crate) fn person(root: &Path) -> tidegate_sandbox::spec::User {
    tidegate_sandbox::spec::User {
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        name: "person".to_owned(),
        home: root.join("home"),
    }
}

/// Allows exactly what it is shown.
pub(crate) struct AllowAll;

impl ApprovalGate for AllowAll {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        Box::pin(async move { ApprovalAnswer::Allowed { digest: question.plan.digest() } })
    }
}

/// Allows commands exactly as shown, and nothing else.
pub(crate) struct AllowCommands;

impl ApprovalGate for AllowCommands {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        match question.plan {
            ApprovalPlan::Exec(_) => AllowAll.ask(question),
            ApprovalPlan::File(_) => {
                Box::pin(async { ApprovalAnswer::Denied { reason: "only commands are".to_owned() } })
            }
        }
    }
}

/// Answers with what a function says.
pub(crate) struct Answer<F>(pub(crate) F);

impl<F: Fn(ApprovalQuestion) -> ApprovalAnswer + Send + Sync> ApprovalGate for Answer<F> {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        let answer = (self.0)(question);
        Box::pin(async move { answer })
    }
}

/// Allows exactly what it is shown, and remembers it.
#[derive(Clone, Default)]
pub(crate) struct Remember(Arc<Mutex<Vec<ApprovalPlan>>>);

impl Remember {
    /// Whether anything was asked.
    pub(crate) fn was_asked(&self) -> bool {
        !self.0.lock().expect("unpoisoned").is_empty()
    }

    /// The one plan that was shown.
    pub(crate) fn only_plan(&self) -> ApprovalPlan {
        let mut plans = self.0.lock().expect("unpoisoned");
        assert_eq!(plans.len(), 1, "one question");
        plans.remove(0)
    }

    /// The same, of a command.
    pub(crate) fn only_command(&self) -> ExecPlan {
        match self.only_plan() {
            ApprovalPlan::Exec(plan) => plan,
            ApprovalPlan::File(plan) => panic!("{plan:?} is no command"),
        }
    }

    /// The same, of a file.
    pub(crate) fn only_file(&self) -> FilePlan {
        match self.only_plan() {
            ApprovalPlan::File(plan) => plan,
            ApprovalPlan::Exec(plan) => panic!("{plan:?} is no file"),
        }
    }
}

impl ApprovalGate for Remember {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        self.0.lock().expect("unpoisoned").push(question.plan.clone());
        AllowAll.ask(question)
    }
}

/// Leaves every question without an answer.
pub(crate) struct Silence;

impl ApprovalGate for Silence {
    fn ask(&self, _question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        Box::pin(std::future::pending())
    }
}

/// The example program that is `run-tool`, and a host of its own.
pub(crate) fn tool_host() -> PathBuf {
    let test = std::env::current_exe().expect("this program's path");
    let built = test.parent().and_then(Path::parent).expect("target/debug").join("examples/tool_host");
    assert!(built.exists(), "{} is missing; run `cargo build -p tidegate-tools --examples`", built.display());
    built
}

/// Waits until something is true.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "it did not happen in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The process number that a command wrote into a file, once it is there.
pub(crate) async fn process_in(path: &Path) -> i32 {
    let read = || std::fs::read_to_string(path).ok()?.trim().parse().ok();
    until(&format!("a process number in {}", path.display()), || read().is_some()).await;
    read().expect("just seen")
}

/// The same process as the host numbers it: a sandbox has numbers of its own.
pub(crate) async fn host_process_in(workspace: &Path, name: &str) -> i32 {
    let inside = process_in(&workspace.join(name)).await;
    let find = || {
        let all = std::fs::read_dir("/proc").expect("processes").flatten();
        let mut numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        numbers.find(|process| {
            let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            let inner = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            let inner = inner.and_then(|numbers| numbers.split_whitespace().last()?.parse::<i32>().ok());
            inner == Some(inside)
                && std::fs::read_link(format!("/proc/{process}/cwd")).is_ok_and(|cwd| cwd == workspace)
        })
    };
    until(&format!("the process {name} ({inside} inside)"), || find().is_some()).await;
    find().expect("just seen")
}

/// The parent of a process.
pub(crate) fn parent(process: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    let (_, fields) = stat.rsplit_once(") ").expect("a name");
    fields.split_whitespace().nth(1).and_then(|parent| parent.parse().ok()).expect("a parent")
}

/// Whether a process exists and is not merely waiting to be collected.
pub(crate) fn is_alive(process: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(") ").map(|(_, rest)| !rest.starts_with('Z')))
        .unwrap_or(false)
}

/// Exchanges two names again and again.
pub(crate) struct Swapper {
    done: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Swapper {
    pub(crate) fn start(first: std::path::PathBuf, second: std::path::PathBuf) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&done);
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(CWD, &first, CWD, &second, exchange).expect("exchanged");
                std::thread::yield_now();
            }
        });
        Self { done, thread }
    }

    pub(crate) fn stop(self) {
        self.done.store(true, Ordering::Relaxed);
        self.thread.join().expect("the swapper ran to its end");
    }
}
