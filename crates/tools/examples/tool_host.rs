//! A host with tools and nothing else, for tests: `tool_host run-tool` is what it starts commands
//! through; otherwise it allows everything and calls one tool.
//!
//! Usage: `tool_host ROOT TOOL ARGUMENTS`, where `ROOT` holds the directories `workspace`, `temporary`
//! and `state`. Prints the tool's answer.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tidegate_agent::SystemClock;
use tidegate_agent::approval::{ApprovalAnswer, ApprovalGate, ApprovalQuestion};
use tidegate_agent::authority::{Owner, RunAuthority};
use tidegate_agent::command::ActiveCommands;
use tidegate_agent::tool::{NetworkUse, ToolContext, ToolOutput, ToolUpdates};
use tidegate_protocol::{AgentId, RunId, SessionKey};
use tidegate_proxy::ports::{ConnectError, Connector, LookupName, Resolver};
use tidegate_sandbox::spec::User;
use tidegate_tools::{
    Launcher, NetworkPorts, Protected, Sandboxes, ToolEnvironment, ToolsConfig, standard_tools,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

struct AllowAll;

impl ApprovalGate for AllowAll {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        Box::pin(async move { ApprovalAnswer::Allowed { digest: question.plan.digest() } })
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run-tool"] => tidegate_tools::run_tool(),
        ["run-tool", server] => match server.parse() {
            Ok(server) => tidegate_tools::run_tool_with(one_server(server)),
            Err(_) => ExitCode::from(2),
        },
        [root, tool, arguments] => match call(Path::new(root), tool, arguments) {
            Ok(output) => {
                let _ = std::io::stdout().write_all(output.text.as_bytes());
                ExitCode::from(u8::from(output.is_error))
            }
            Err(_) => ExitCode::from(2),
        },
        _ => ExitCode::from(2),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn call(root: &Path, tool: &str, arguments: &str) -> Result<ToolOutput, Box<dyn Error>> {
    tidegate_tools::shield_process()?;
    let root = root.canonicalize()?;
    let tools = standard_tools(ToolsConfig {
        launcher: Launcher::new(executable()?),
        protected: Protected::for_home(&root.join("home"), &root.join("state"), &root.join("config.json")),
        temporary: root.join("temporary"),
        environment: ToolEnvironment::from_host(std::env::vars_os(), &root.join("temporary")),
        sandboxes: Arc::new(Sandboxes::new(root.join("state/sandbox"), person(&root))),
    });
    let tool = tools.iter().find(|known| known.description().name == tool).ok_or("no such tool")?;
    let context = ToolContext {
        run: RunId::parse("run-1")?,
        session: SessionKey::main(&AgentId::default_agent()),
        ancestors: Vec::new(),
        authority: RunAuthority::root(
            Owner::Owner { name: "test".to_owned() },
            root.join("workspace"),
            BTreeSet::from([tool.description().name.to_owned()]),
        ),
        task: RunId::parse("run-1")?,
        network: NetworkUse::default(),
        approvals: Arc::new(AllowAll),
        cancelled: CancellationToken::new(),
        call_id: "call-1".to_owned(),
        updates: ToolUpdates::ignored(),
        commands: ActiveCommands::new(Arc::new(SystemClock)),
    };
    Ok(tool.call(context, serde_json::from_str(arguments)?).await)
}

/// A network in which every public name is one server on this computer, but for one that leads to a
/// company's own network.
fn one_server(server: SocketAddr) -> NetworkPorts {
    NetworkPorts { resolver: Arc::new(OneServer(server)), connector: Arc::new(OneServer(server)) }
}

struct OneServer(SocketAddr);

impl Resolver for OneServer {
    fn resolve<'a>(&'a self, name: LookupName<'a>) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        let is_inside = matches!(name, LookupName::Public(host) if host.to_string().starts_with("inside."));
        let address = if is_inside { [10, 0, 0, 7] } else { [203, 0, 113, 7] };
        Box::pin(async move { Ok(vec![IpAddr::from(address)]) })
    }
}

impl Connector for OneServer {
    fn connect(&self, _address: SocketAddr) -> BoxFuture<'_, Result<TcpStream, ConnectError>> {
        Box::pin(async { Ok(TcpStream::connect(self.0).await?) })
    }

    fn connect_upstream(&self, address: SocketAddr) -> BoxFuture<'_, Result<TcpStream, ConnectError>> {
        self.connect(address)
    }
}

fn person(root: &Path) -> User {
    User {
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        name: "person".to_owned(),
        home: root.join("home"),
    }
}

fn executable() -> Result<PathBuf, std::io::Error> {
    std::env::current_exe()
}
