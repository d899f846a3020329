//! A gateway with a store in memory, a model that answers at once, a listener on loopback, and a
//! local socket.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_access::StoreKind;
use tidegate_agent::approval::{ApprovalAnswer, ApprovalGate as _, ApprovalPlan, ApprovalQuestion, ExecPlan};
use tidegate_agent::folders::ChosenFolders;
use tidegate_agent::message::Message;
use tidegate_agent::model::{
    Model, ModelDirectory, ModelEntry, ModelError, ModelName, ModelRequest, ModelStream, StopReason,
    StreamEvent,
};
use tidegate_agent::{Limits, Runtime, RuntimeParts, SystemClock};
use tidegate_clock as now;
use tidegate_gateway::desktop_authority::DesktopAuthority;
use tidegate_gateway::subagent_client::public_key;
use tidegate_gateway::{Gateway, GatewayParts, PersonGate, SubagentClient, TrustService};
use tidegate_peers::{LocalSocket, PeerLookup};
use tidegate_protocol::confinement::{CommandClass, Confinement};
use tidegate_protocol::payload::files::{SetAsideFileDetails, SharedFolder};
use tidegate_protocol::payload::permissions::ApprovalVerdict;
use tidegate_protocol::{RunId, SessionKey};
use tidegate_store::Store;
use tidegate_testkit::client::{ClientError, ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_transport::lines::{LineReceived, LinesClient};
use tidegate_transport::listener::{self, ListenerLimits, bind_loopback};
use tidegate_transport::local_socket::{self, LocalListener};
use tidegate_transport::upgrade::UpgradeRules;
use tidegate_transport::{ChannelClient, ClientReceived};
use tidegate_trust::decision::Desktop;
use tidegate_trust::origin::{CommandsAlive, Peer};
use tidegate_trust::pairing::PendingRequest;
use tidegate_trust::permissions::{Attendance, RequestContext};
use tidegate_trust::program::Program;
use tidegate_trust::records::{ProgramIdentity, TrustRecords};
use tidegate_trust::settings::{ProposedSetting, WebOrigin};
use tidegate_trust::workspace::LostWorkspace;
use tidegate_trust::{Authority, Folder};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::stub_host::StubHost;

/// How long a condition may take before the test counts as failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const ALLOW_ONCE: ApprovalVerdict = ApprovalVerdict::AllowOnce;
pub(crate) const DENY: ApprovalVerdict = ApprovalVerdict::Deny { words: None, stop: false };

/// Everyone is a program of this user, or what a test says.
#[derive(Default)]
pub(crate) struct Peers {
    /// What everyone is instead.
    pub(crate) found: Mutex<Option<Peer>>,
    pub(crate) commands: Mutex<CommandsAlive>,
    /// The threads that asked for them.
    pub(crate) readers: Mutex<Vec<ThreadId>>,
    /// How often someone was looked up.
    pub(crate) look_ups: AtomicUsize,
    /// While this is held, no look-up ends.
    pub(crate) stuck: Mutex<()>,
}

impl Peers {
    fn look_up(&self) -> Option<Peer> {
        self.look_ups.fetch_add(1, Ordering::Relaxed);
        let _stuck = self.stuck.lock().unwrap();
        self.found.lock().unwrap().clone()
    }
}

impl PeerLookup for Peers {
    fn commands(&self) -> CommandsAlive {
        self.readers.lock().unwrap().push(std::thread::current().id());
        *self.commands.lock().unwrap()
    }

    fn ancestry(&self, _: &LocalSocket, _: Instant) -> Peer {
        self.look_up().unwrap_or(Peer::NotATool)
    }

    fn program(&self, _: &LocalSocket, _: Instant) -> Peer {
        let identity = ProgramIdentity {
            uid: 1000,
            executable: PathBuf::from("/usr/bin/node"),
            script: Some(PathBuf::from("/opt/openclaw.mjs")),
        };
        self.look_up().unwrap_or(Peer::Process {
            uid: 1000,
            same_user: true,
            program: Some(Program { pid: 4242, identity, ephemeral: None }),
        })
    }
}

/// What the model has no answer to.
pub(crate) const NEVER_ANSWERED: &str = "think for ever";

/// The model answers what follows this.
pub(crate) const SAY: &str = "say: ";

/// Answers at once, except to [`NEVER_ANSWERED`].
#[derive(Clone)]
struct InstantModel {
    thinking: Arc<Semaphore>,
    asked: Asked,
}

/// The conversations that the model was asked with.
type Asked = Arc<Mutex<Vec<Vec<Message>>>>;

fn model_name() -> ModelName {
    ModelName::parse("test/instant").unwrap()
}

impl Model for InstantModel {
    fn name(&self) -> ModelName {
        model_name()
    }

    fn stream(&self, request: ModelRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        if matches!(request.messages.last(), Some(Message::User(text)) if text == NEVER_ANSWERED) {
            self.thinking.add_permits(1);
            return Box::pin(std::future::pending());
        }
        self.asked.lock().unwrap().push(request.messages.clone());
        let answer = match request.messages.last() {
            Some(Message::User(text)) => text.strip_prefix(SAY).unwrap_or("yes").to_owned(),
            _ => "yes".to_owned(),
        };
        let (head, tail) = answer.split_at(answer.len().min(2));
        let piece = |text: &str| Ok(StreamEvent::Text(text.to_owned()));
        let events = vec![piece(head), piece(tail), Ok(StreamEvent::Stop(StopReason::Stop))];
        Box::pin(async { Ok(Box::pin(futures_util::stream::iter(events)) as ModelStream) })
    }
}

#[derive(Clone)]
struct Models(InstantModel);

impl ModelDirectory for Models {
    fn default_model(&self) -> BoxFuture<'_, Arc<dyn Model>> {
        Box::pin(async { Arc::new(self.0.clone()) as Arc<dyn Model> })
    }

    fn model(&self, _: &ModelName) -> BoxFuture<'_, Option<Arc<dyn Model>>> {
        Box::pin(async { Some(Arc::new(self.0.clone()) as Arc<dyn Model>) })
    }

    fn list(&self) -> BoxFuture<'_, Vec<ModelEntry>> {
        Box::pin(async { Vec::new() })
    }
}

pub(crate) struct World {
    trust: TrustService,
    pub(crate) gateway: Gateway,
    pub(crate) runtime: Runtime,
    pub(crate) subagents: SubagentClient,
    pub(crate) host: Arc<StubHost>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) token: String,
    /// The conversations that the model was asked with.
    pub(crate) asked: Asked,
    thinking: Arc<Semaphore>,
    /// How many tasks of agents there were.
    tasks: AtomicUsize,
    desktop: Option<DesktopAuthority>,
    url: String,
    place: TempDir,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    /// Beside a desktop.
    pub(crate) async fn with_desktop() -> Self {
        Self::start(Desktop::Running).await
    }

    pub(crate) async fn start(desktop: Desktop) -> Self {
        Self::start_proposing(desktop, &[]).await
    }

    /// With a configuration file that lists these origins.
    pub(crate) async fn start_proposing(desktop: Desktop, origins: &[&str]) -> Self {
        let place = TempDir::new().unwrap();
        std::fs::set_permissions(place.path(), Permissions::from_mode(0o700)).unwrap();
        let store = Store::in_memory_with(tidegate_agent::inbox_message).unwrap();
        let (mut authority, in_process) = Authority::new(TrustRecords::default());
        let desktop_key = authority.take_desktop_key(desktop);
        let trust = TrustService::new(authority, desktop);
        trust.open(store.clone(), StoreKind::OnDisk, false).await;
        let rotated = trust.authority().rotate_shared_token(&now::entropy().unwrap(), now::timestamp());
        let token = rotated.value;
        let origins = origins.iter().map(|origin| WebOrigin::parse(origin).unwrap());
        trust.authority().propose(vec![ProposedSetting::origins(origins)], now::timestamp());
        let seed = Zeroizing::new([9; 32]);
        trust.authority().set_own_key(public_key(&seed));
        let host = Arc::new(StubHost::default());
        let peers = Arc::new(Peers::default());
        let gateway = Gateway::new(GatewayParts {
            trust: trust.clone(),
            in_process: Arc::new(in_process),
            store: store.clone(),
            peers: peers.clone(),
            host: host.clone(),
            version: "1.2.3",
            boot: "boot".to_owned(),
            state_dir: place.path().to_owned(),
            config_path: place.path().join("openclaw.json"),
        });
        let subagents = SubagentClient::new(gateway.clone(), &seed, "1.2.3");
        let models = Models(InstantModel { thinking: Arc::new(Semaphore::new(0)), asked: Asked::default() });
        let runtime = Runtime::new(RuntimeParts {
            store,
            models: Arc::new(models.clone()),
            tools: Vec::new(),
            approvals: Arc::new(PersonGate::new(trust.clone())),
            subagents: Arc::new(subagents.clone()),
            clock: Arc::new(SystemClock),
            limits: Limits::default(),
            workspace: place.path().to_owned(),
            folders: Arc::new(SameFolders),
            boot: "boot".to_owned(),
        });
        gateway.attach(runtime.clone(), Arc::new(models.clone()));
        let stop = CancellationToken::new();
        let listener = bind_loopback(0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (rules, limits) = (UpgradeRules::loopback(port), ListenerLimits::default());
        tokio::spawn(listener::serve(listener, gateway.clone(), rules, limits, stop.clone()));
        let socket = LocalListener::bind(&place.path().join("control.sock")).await.unwrap();
        tokio::spawn(local_socket::serve(socket, gateway.clone(), stop.clone()));
        Self {
            trust,
            desktop: desktop_key.map(|key| gateway.desktop(&key)),
            gateway,
            runtime,
            subagents,
            host,
            peers,
            asked: models.0.asked,
            thinking: models.0.thinking,
            tasks: AtomicUsize::new(0),
            token: token.reveal().to_owned(),
            url: format!("ws://127.0.0.1:{port}"),
            place,
            stop,
        }
    }

    pub(crate) fn desktop(&self) -> &DesktopAuthority {
        self.desktop.as_ref().expect("a desktop runs")
    }

    /// Where its files are, and where it listens.
    pub(crate) fn secrets_of_place(&self) -> [String; 2] {
        [self.place.path().display().to_string(), self.token.clone()]
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A window that was greeted.
    pub(crate) async fn window(&self) -> Surface {
        Surface::greeted(Wire::Window(self.desktop().open_window())).await
    }

    /// A command line that was greeted.
    pub(crate) async fn command_line(&self) -> Surface {
        Surface::greeted(Wire::CommandLine(self.local_socket().await)).await
    }

    /// A connection to the local socket that was not greeted yet.
    pub(crate) async fn local_socket(&self) -> LinesClient<UnixStream> {
        local_socket::connect(&self.place.path().join("control.sock")).await.unwrap()
    }

    /// The same, byte by byte.
    pub(crate) async fn local_stream(&self) -> UnixStream {
        local_socket::connect_stream(&self.place.path().join("control.sock")).await.unwrap()
    }

    /// Waits until so many runs have said [`NEVER_ANSWERED`] to the model.
    pub(crate) async fn until_models_are_asked(&self, runs: u32) {
        let asked = tokio::time::timeout(PATIENCE, self.thinking.acquire_many(runs)).await;
        asked.expect("the model is asked").unwrap().forget();
    }

    /// Opens a connection and sends `connect`.
    pub(crate) async fn connect(&self, options: &ConnectOptions) -> Result<GatewayClient, ClientError> {
        let mut client = GatewayClient::open(&self.url).await?;
        client.connect(options).await?;
        Ok(client)
    }

    /// A page of an origin opens a connection.
    pub(crate) async fn page(&self, origin: &str) -> Result<GatewayClient, ClientError> {
        GatewayClient::open_with(&self.url, &[("origin", origin)]).await
    }

    pub(crate) fn device(&self, number: u64, scopes: &[&str]) -> ConnectOptions {
        ConnectOptions::default()
            .device(&DeviceIdentity::numbered(number))
            .token(&self.token)
            .scopes(scopes)
            .display_name("Anna's phone")
    }

    pub(crate) fn program(&self, scopes: &[&str]) -> ConnectOptions {
        ConnectOptions::default().token(&self.token).scopes(scopes)
    }

    /// Someone asks to pair and is held; the request that waits for it.
    pub(crate) async fn request_pairing(&self, options: &ConnectOptions) -> PendingRequest {
        let refused = self.connect(options).await;
        assert!(matches!(refused, Err(ClientError::Answer(_))), "{:?}", refused.err());
        self.desktop().requests().pop().expect("it waits")
    }

    /// A device that the person let in, connected.
    pub(crate) async fn let_in(&self, number: u64, scopes: &[&str]) -> GatewayClient {
        use tidegate_trust::decision::{Choice, GrantLifetime, Verdict};
        let options = self.device(number, scopes);
        let request = self.request_pairing(&options).await;
        let verdict = Verdict::Approve { choice: Choice::All, duration: GrantLifetime::Always };
        self.desktop().decide(&request.id, &request.details.digest(), &verdict).await.unwrap();
        self.connect(&options).await.unwrap()
    }

    /// A run of an agent asks about a command; what comes of it.
    pub(crate) async fn ask_for_a_run(&self) -> JoinHandle<ApprovalAnswer> {
        let plan = ExecPlan {
            command: "rm -rf ~".to_owned(),
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), "rm -rf ~".to_owned()],
            directory: PathBuf::from("/"),
            environment: Vec::new(),
            confinement: Confinement::plain(CommandClass::Contained, 1800),
        };
        self.ask_for_a_run_about(ApprovalPlan::Exec(plan)).await
    }

    /// A run of an agent asks about something; what comes of it.
    pub(crate) async fn ask_for_a_run_about(&self, plan: ApprovalPlan) -> JoinHandle<ApprovalAnswer> {
        let context = RequestContext {
            // Of a task of its own: what was denied before is asked again.
            task: format!("task-{}", self.tasks.fetch_add(1, Ordering::Relaxed)),
            attendance: Attendance::Attended,
            folders: Vec::new(),
            outside: Vec::new(),
            plain: None,
            not_found: None,
        };
        let question = ApprovalQuestion {
            run: RunId::parse("run-of-a-tool").unwrap(),
            session: SessionKey::parse("agent:main:main").unwrap(),
            ancestors: Vec::new(),
            context,
            plan,
        };
        let gate = self.gate();
        let mut changes = self.desktop().changes();
        let asked = tokio::spawn(async move { gate.ask(question).await });
        while self.desktop().commands().is_empty() {
            changes.changed().await.unwrap();
        }
        asked
    }

    /// What runs ask a person through.
    pub(crate) fn gate(&self) -> PersonGate {
        PersonGate::new(self.trust.clone())
    }

    /// The ids of the commands and files that wait, oldest first, beside a desktop or without one.
    pub(crate) fn waiting_ids(&self) -> Vec<String> {
        self.trust.approvals().waiting().iter().map(|waiting| waiting.id.clone()).collect()
    }

    /// A client asks about a command, and waits.
    pub(crate) async fn ask_command(&self, client: &mut GatewayClient, timeout: Duration) -> String {
        let timeout = u64::try_from(timeout.as_millis()).unwrap();
        let params = json!({ "command": "make all", "timeoutMs": timeout, "twoPhase": true });
        let id = client.send_request("exec.approval.request", params).await.unwrap();
        let accepted = client.answer(&id).await.unwrap();
        accepted["id"].as_str().unwrap().to_owned()
    }
}

/// A caller that tries the methods one after the other.
pub(crate) trait Attacker {
    /// Calls a method that may wait for ever; `None` when it does.
    async fn try_call(&mut self, method: &str, params: Value) -> Option<Result<Value, Value>>;
}

/// How long a method is waited for that may wait for ever.
const SHORT: Duration = Duration::from_millis(150);

impl Attacker for GatewayClient {
    async fn try_call(&mut self, method: &str, params: Value) -> Option<Result<Value, Value>> {
        match tokio::time::timeout(SHORT, self.request(method, params)).await.ok()? {
            Ok(payload) => Some(Ok(payload)),
            Err(ClientError::Answer(error)) => Some(Err(error)),
            Err(error) => panic!("{method}: {error}"),
        }
    }
}

impl Attacker for Surface {
    async fn try_call(&mut self, method: &str, params: Value) -> Option<Result<Value, Value>> {
        tokio::time::timeout(SHORT, self.first_answer(method, params)).await.ok()
    }
}

enum Wire {
    Window(ChannelClient),
    CommandLine(LinesClient<UnixStream>),
}

/// A window or a command line, from its own side.
pub(crate) struct Surface {
    wire: Wire,
    last_id: u64,
    pub(crate) welcome: Value,
    events: Vec<Value>,
}

impl Surface {
    async fn greeted(wire: Wire) -> Self {
        let mut surface = Self { wire, last_id: 0, welcome: Value::Null, events: Vec::new() };
        surface.welcome = surface.next().await.expect("a greeting");
        surface
    }

    async fn next(&mut self) -> Option<Value> {
        let text = match &mut self.wire {
            Wire::Window(client) => match client.receive().await {
                ClientReceived::Text(text) => String::from_utf8(text.into()).unwrap(),
                ClientReceived::Closed(_) => return None,
            },
            Wire::CommandLine(client) => match client.receive().await {
                LineReceived::Text(text) => text,
                LineReceived::Closed(_) => return None,
            },
        };
        Some(serde_json::from_str(&text).unwrap())
    }

    /// Calls a method; the payload, or the error.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let answer = tokio::time::timeout(PATIENCE, self.first_answer(method, params)).await;
        answer.unwrap_or_else(|_| panic!("{method} was not answered"))
    }

    async fn first_answer(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.last_id += 1;
        let id = self.last_id.to_string();
        let frame = json!({ "type": "req", "id": id, "method": method, "params": params }).to_string();
        match &mut self.wire {
            Wire::Window(client) => client.send(frame).await.unwrap(),
            Wire::CommandLine(client) => client.send(&frame).await.unwrap(),
        }
        loop {
            let frame = self.next().await.expect("an answer");
            if frame["type"] == "event" {
                self.events.push(frame);
            } else if frame["id"] == json!(id) {
                return match frame["ok"] == json!(true) {
                    true => Ok(frame["payload"].clone()),
                    false => Err(frame["error"].clone()),
                };
            }
        }
    }

    /// The payload of the next event of this name, also of one that came before.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        let arrives = async {
            loop {
                if let Some(position) = self.events.iter().position(|event| event["event"] == json!(name)) {
                    return self.events.remove(position)["payload"].clone();
                }
                let frame = self.next().await.expect("the connection is open");
                if frame["type"] == "event" {
                    self.events.push(frame);
                }
            }
        };
        tokio::time::timeout(PATIENCE, arrives).await.unwrap_or_else(|_| panic!("no event {name}"))
    }
}

/// A folder of which something is shared, unless its name says otherwise.
/// Folders that stay as they were chosen.
struct SameFolders;

impl ChosenFolders for SameFolders {
    fn check<'a>(&'a self, _: &'a Folder) -> BoxFuture<'a, Result<(), LostWorkspace>> {
        Box::pin(async { Ok(()) })
    }
}

pub(crate) fn shared_folder(folder: &str) -> SharedFolder {
    SharedFolder {
        folder: folder.to_owned(),
        files: if folder.ends_with("own") { 0 } else { 1204 },
        bytes: 5000,
        places: vec!["node_modules".to_owned()],
        unshared: false,
        left: 0,
        left_files: Vec::new(),
    }
}

/// A file that was set aside. One whose id begins with "folder" cannot be kept.
pub(crate) fn set_aside_file(id: &str) -> SetAsideFileDetails {
    let details = json!({
        "file": {
            "id": id, "path": "a/.envrc", "workspace": "/home/ada/work", "action": "set-aside", "kind": "file",
            "reason": "a/.envrc is read by shells", "effect": "It can run commands.",
            "canKeep": !id.starts_with("folder"), "size": 2, "executable": false, "target": null, "commands": [],
            "setAsideAtMs": 1, "expiresAtMs": 2,
        },
        "digest": "abcd", "content": "x", "binary": false, "cut": false,
    });
    serde_json::from_value(details).unwrap()
}
