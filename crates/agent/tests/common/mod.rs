//! A runtime with everything around it replaced: a scripted model, tools that do what a test says,
//! a gateway that calls straight back, and time that only a test moves.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::expect_used, reason = "a test world may not be broken")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tidegate_agent::approval::{ApprovalAnswer, ApprovalGate, ApprovalPlan, ApprovalQuestion, ExecPlan};
use tidegate_agent::authority::{Owner, RunAuthority};
use tidegate_agent::event::{RunEventKind, RuntimeEvent};
use tidegate_agent::folders::ChosenFolders;
use tidegate_agent::message::{Message, ToolCall};
use tidegate_agent::model::{
    Model, ModelDirectory, ModelEntry, ModelError, ModelName, ModelRequest, ModelStream, StopReason,
    StreamEvent,
};
use tidegate_agent::subagent::{CallError, SubagentGateway};
use tidegate_agent::tool::{Tool, ToolContext, ToolDescription, ToolOutput};
use tidegate_agent::{
    Clock, HandoffId, Limits, PreparedStart, Runtime, RuntimeParts, StartError, Turn, WaitOutcome,
    inbox_message,
};
use tidegate_protocol::confinement::{CommandClass, Confinement};
use tidegate_protocol::payload::chat::ChatMessage;
use tidegate_protocol::{RunId, SessionId, SessionKey, TranscriptMessage, UnixMillis};
use tidegate_store::{RunRow, Store, TranscriptEntry};
use tidegate_trust::decision::{Decider, Desktop};
use tidegate_trust::permissions::RequestContext;
use tidegate_trust::workspace::{LostWorkspace, ProposedWorkspace, WorkspaceChange};
use tidegate_trust::{Authority, FileIdentity, Folder, TrustRecords};
use tokio::sync::{Notify, broadcast};

pub const LONG: Duration = Duration::from_hours(100_000);

/// One thing that the scripted model does.
#[derive(Clone)]
pub enum Step {
    Text(String),
    Call(ToolCall),
    Event(StreamEvent),
    Sleep(Duration),
    /// Waits until the test lets it go on.
    Gate(Arc<Notify>),
    Fail(ModelError),
    /// Ends the stream without an end mark.
    Break,
}

pub fn text(text: &str) -> Step {
    Step::Text(text.to_owned())
}

pub fn call(id: &str, name: &str, arguments: &Value) -> Step {
    raw_call(id, name, &arguments.to_string())
}

pub fn raw_call(id: &str, name: &str, arguments: &str) -> Step {
    Step::Call(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() })
}

/// A question as the scripted model sees it.
pub struct AskedModel {
    pub request: ModelRequest,
    pub model: ModelName,
}

impl AskedModel {
    pub fn system(&self) -> &str {
        match &self.request.messages[0] {
            Message::System(text) => text,
            other => panic!("{other:?}"),
        }
    }

    pub fn is_subagent(&self) -> bool {
        self.system().starts_with("You are a subagent")
    }

    /// The first thing that a person or parent said.
    pub fn task(&self) -> &str {
        self.request
            .messages
            .iter()
            .find_map(|m| if let Message::User(text) = m { Some(text.as_str()) } else { None })
            .unwrap_or_default()
    }

    /// The last thing that a person or parent said.
    pub fn said(&self) -> &str {
        self.request
            .messages
            .iter()
            .rev()
            .find_map(|m| if let Message::User(text) = m { Some(text.as_str()) } else { None })
            .unwrap_or_default()
    }

    pub fn results(&self) -> Vec<(&str, bool)> {
        let result = |m| {
            if let &Message::ToolResult { ref text, is_error, .. } = m {
                Some((text.as_str(), is_error))
            } else {
                None
            }
        };
        self.request.messages.iter().filter_map(result).collect()
    }

    /// Results of subagents, and other words of the runtime.
    pub fn runtime(&self) -> Vec<&str> {
        self.request
            .messages
            .iter()
            .filter_map(|m| if let Message::Runtime(text) = m { Some(text.as_str()) } else { None })
            .collect()
    }

    pub fn has_result(&self) -> bool {
        self.request.messages.iter().any(|message| matches!(message, Message::ToolResult { .. }))
    }

    pub fn last_is_result(&self) -> bool {
        matches!(self.request.messages.last(), Some(Message::ToolResult { .. }))
    }
}

type Script = dyn Fn(&AskedModel) -> Vec<Step> + Send + Sync;

pub struct ScriptedModel {
    name: ModelName,
    script: Arc<Script>,
    asks: Arc<Mutex<usize>>,
}

impl Model for ScriptedModel {
    fn name(&self) -> ModelName {
        self.name.clone()
    }

    fn stream(&self, request: ModelRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        *self.asks.lock().expect("lock") += 1;
        let steps = (self.script)(&AskedModel { request, model: self.name.clone() });
        Box::pin(async move {
            if let [Step::Fail(error)] = &steps[..] {
                return Err(error.clone());
            }
            let explicit = steps
                .iter()
                .any(|step| matches!(step, Step::Event(StreamEvent::Stop(_)) | Step::Break | Step::Fail(_)));
            let calls = steps.iter().any(|step| matches!(step, Step::Call(_)));
            let stop = if calls { StopReason::ToolUse } else { StopReason::Stop };
            let end = (!explicit).then_some(Step::Event(StreamEvent::Stop(stop)));
            let steps = futures_util::stream::iter(steps.into_iter().chain(end));
            let events = steps.filter_map(|step| async move {
                match step {
                    Step::Text(text) => Some(Ok(StreamEvent::Text(text))),
                    Step::Call(call) => Some(Ok(StreamEvent::ToolCall(call))),
                    Step::Event(event) => Some(Ok(event)),
                    Step::Fail(error) => Some(Err(error)),
                    Step::Sleep(time) => {
                        tokio::time::sleep(time).await;
                        None
                    }
                    Step::Gate(gate) => {
                        gate.notified().await;
                        None
                    }
                    Step::Break => None,
                }
            });
            Ok(Box::pin(events) as ModelStream)
        })
    }
}

pub struct Models {
    script: Arc<Script>,
    pub asks: Arc<Mutex<usize>>,
}

pub fn model_name(text: &str) -> ModelName {
    ModelName::parse(text).expect("a model name")
}

impl Models {
    fn get(&self, name: &str) -> Arc<dyn Model> {
        Arc::new(ScriptedModel {
            name: model_name(name),
            script: Arc::clone(&self.script),
            asks: Arc::clone(&self.asks),
        })
    }
}

impl ModelDirectory for Models {
    fn default_model(&self) -> BoxFuture<'_, Arc<dyn Model>> {
        Box::pin(async { self.get("test/usual") })
    }

    fn model(&self, name: &ModelName) -> BoxFuture<'_, Option<Arc<dyn Model>>> {
        let known = ["test/usual", "test/other"].contains(&name.to_string().as_str());
        let model = known.then(|| self.get(&name.to_string()));
        Box::pin(async move { model })
    }

    fn list(&self) -> BoxFuture<'_, Vec<ModelEntry>> {
        let entry = |name: &str| ModelEntry {
            name: model_name(name),
            context_window: None,
            is_default: false,
            is_offline: false,
        };
        Box::pin(async move { vec![entry("test/usual"), entry("test/other")] })
    }
}

/// Does what its arguments say.
pub struct Probe {
    pub calls: Arc<Mutex<Vec<Value>>>,
    pub saw_cancel: Arc<Notify>,
}

impl Tool for Probe {
    fn description(&self) -> ToolDescription {
        let parameters = json!({"type": "object"});
        ToolDescription {
            name: "probe",
            label: "Probe",
            description: "For tests.",
            group: "runtime",
            parameters,
        }
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["test_probe"]
    }

    fn call(&self, context: ToolContext, arguments: Value) -> BoxFuture<'_, ToolOutput> {
        self.calls.lock().expect("lock").push(arguments.clone());
        Box::pin(async move {
            match arguments["do"].as_str().unwrap_or_default() {
                "panic" => panic!("a tool's panic"),
                "wait for stop" => {
                    context.cancelled.cancelled().await;
                    self.saw_cancel.notify_one();
                    ToolOutput::error("its process was ended")
                }
                "never stop" => std::future::pending().await,
                "ask" => {
                    let plan = ExecPlan {
                        command: "true".to_owned(),
                        program: PathBuf::from("/bin/true"),
                        arguments: Vec::new(),
                        directory: PathBuf::from("/"),
                        environment: Vec::new(),
                        confinement: Confinement::plain(CommandClass::Contained, 1800),
                    };
                    let question = ApprovalQuestion {
                        run: context.run,
                        session: context.session,
                        ancestors: context.ancestors,
                        context: RequestContext {
                            task: context.task.to_string(),
                            attendance: context.authority.attendance(),
                            folders: Vec::new(),
                            outside: Vec::new(),
                            plain: None,
                            not_found: None,
                        },
                        plan: ApprovalPlan::Exec(plan),
                    };
                    match context.approvals.ask(question).await {
                        ApprovalAnswer::Allowed { digest } | ApprovalAnswer::Permitted { digest, .. } => {
                            ToolOutput::ok(digest)
                        }
                        ApprovalAnswer::Denied { reason } => ToolOutput::error(reason),
                    }
                }
                "tell" => {
                    let updates = context.updates.clone();
                    updates.send("half".to_owned());
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        updates.send("too late".to_owned());
                    });
                    ToolOutput::ok("whole")
                }
                "log" => {
                    tracing::info!("the tool works");
                    ToolOutput::ok("done")
                }
                "tell where" => ToolOutput::ok(context.authority.workspace().display().to_string()),
                "say" => ToolOutput::ok(arguments["text"].as_str().unwrap_or_default()),
                _ => ToolOutput::ok("done"),
            }
        })
    }
}

/// A person who answers when the test says so.
#[derive(Default)]
pub struct Person {
    pub asked: Notify,
    pub allow: Notify,
    pub questions: Mutex<Vec<ApprovalQuestion>>,
}

impl ApprovalGate for Person {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        Box::pin(async move {
            let digest = question.plan.digest();
            self.questions.lock().expect("lock").push(question);
            self.asked.notify_one();
            self.allow.notified().await;
            ApprovalAnswer::Allowed { digest }
        })
    }
}

/// Calls straight back into the runtime, as the gateway does after its own checks.
pub struct Gateway {
    pub store: Store,
    pub runtime: OnceLock<Runtime>,
    pub calls: Mutex<Vec<(&'static str, Value)>>,
    /// How many calls of `agent` find no gateway.
    pub absent: Mutex<u32>,
    /// Whether answers of `agent` get lost after the start.
    pub loses_answers: Mutex<bool>,
    /// Changes the parameters of `agent` on the way.
    pub tamper: Mutex<Option<fn(&mut Value)>>,
}

impl Gateway {
    async fn agent(&self, mut params: Value) -> Result<Value, CallError> {
        {
            let mut absent = self.absent.lock().expect("lock");
            if *absent > 0 {
                *absent -= 1;
                return Err(CallError::Unavailable("restarting".to_owned()));
            }
        }
        if let Some(tamper) = *self.tamper.lock().expect("lock") {
            tamper(&mut params);
        }
        let handoff =
            HandoffId::parse(params["internalRuntimeHandoffId"].as_str().unwrap_or_default()).expect("an id");
        let started = self.runtime().start_prepared(handoff, &prepared(&params)).await;
        let run = started.map_err(|error: StartError| method_error("UNAVAILABLE", &error.to_string()))?.run;
        if *self.loses_answers.lock().expect("lock") {
            return Err(CallError::Unavailable("lost".to_owned()));
        }
        Ok(json!({"runId": run.id, "status": "accepted", "acceptedAt": run.created_at}))
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.get().expect("set")
    }

    pub fn calls_of(&self, method: &str) -> Vec<Value> {
        self.calls
            .lock()
            .expect("lock")
            .iter()
            .filter(|(name, _)| *name == method)
            .map(|(_, params)| params.clone())
            .collect()
    }
}

pub fn prepared(params: &Value) -> PreparedStart {
    PreparedStart {
        run: RunId::parse(params["idempotencyKey"].as_str().expect("run")).expect("run"),
        session: SessionKey::parse(params["sessionKey"].as_str().expect("session")).expect("session"),
        message: params["message"].as_str().expect("message").to_owned(),
    }
}

fn method_error(code: &str, message: &str) -> CallError {
    CallError::Method { code: code.to_owned(), message: message.to_owned() }
}

impl SubagentGateway for Gateway {
    fn call(&self, method: &'static str, params: Value) -> BoxFuture<'_, Result<Value, CallError>> {
        self.calls.lock().expect("lock").push((method, params.clone()));
        Box::pin(async move {
            let key = |name: &str| SessionKey::parse(params[name].as_str().expect("a key")).expect("a key");
            let broken = |error: tidegate_store::StoreError| method_error("UNAVAILABLE", &error.to_string());
            match method {
                "agent" => self.agent(params).await,
                "agent.wait" => {
                    let run = RunId::parse(params["runId"].as_str().expect("run")).expect("run");
                    let timeout = Duration::from_millis(params["timeoutMs"].as_u64().expect("time"));
                    let ended = matches!(self.runtime().wait(run, timeout).await, Ok(WaitOutcome::Ended(_)));
                    Ok(json!({"status": if ended { "ok" } else { "timeout" }}))
                }
                "chat.history" => {
                    let session =
                        self.store.session(key("sessionKey")).await.map_err(broken)?.expect("a session");
                    let entries =
                        self.store.transcript(session.session_id, None, 100).await.map_err(broken)?;
                    Ok(json!({"messages": entries.iter().map(shown).collect::<Vec<_>>()}))
                }
                "sessions.list" => {
                    let filter = tidegate_store::SessionFilter {
                        spawned_by: Some(key("spawnedBy")),
                        limit: 100,
                        ..Default::default()
                    };
                    let rows = self.store.sessions(filter).await.map_err(broken)?;
                    Ok(
                        json!({"sessions": rows.iter().map(|row| json!({"key": row.key, "label": row.label})).collect::<Vec<_>>()}),
                    )
                }
                "sessions.delete" => {
                    let row = self.store.session(key("key")).await.map_err(broken)?;
                    let deleted = match row {
                        Some(row) => {
                            self.store.delete_session(row.key, row.session_id, true).await.map_err(broken)?
                        }
                        None => false,
                    };
                    Ok(json!({"deleted": deleted}))
                }
                other => Err(method_error("INVALID_REQUEST", &format!("unknown method: {other}"))),
            }
        })
    }
}

/// Folders that are as they were chosen until a test says otherwise.
#[derive(Default)]
pub struct Folders {
    pub lost: Mutex<Option<WorkspaceChange>>,
    /// What happens to it once one run has begun there.
    pub lost_after_first: Mutex<Option<WorkspaceChange>>,
    pub checked: Mutex<Vec<Folder>>,
}

impl ChosenFolders for Folders {
    fn check<'a>(&'a self, folder: &'a Folder) -> BoxFuture<'a, Result<(), LostWorkspace>> {
        self.checked.lock().expect("lock").push(folder.clone());
        let lost = self.lost.lock().expect("lock").clone();
        if let Some(change) = self.lost_after_first.lock().expect("lock").take() {
            *self.lost.lock().expect("lock") = Some(change);
        }
        let result = lost.map_or(Ok(()), |change| Err(LostWorkspace { folder: folder.path.clone(), change }));
        Box::pin(async move { result })
    }
}

pub fn folder(path: &str) -> Folder {
    Folder { path: PathBuf::from(path), identity: FileIdentity { device: 1, inode: 7 } }
}

struct TestClock(tokio::time::Instant);

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_000_000).plus(self.0.elapsed())
    }
}

/// While this lives, tokio's paused clock moves only when a test advances it. Without it the clock
/// would jump to the next timer whenever all tasks wait for the store's thread.
struct Frozen(Option<std::sync::mpsc::Sender<()>>);

impl Frozen {
    fn new() -> Self {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv());
        Self(Some(sender))
    }
}

pub struct World {
    pub runtime: Runtime,
    pub store: Store,
    pub gateway: Arc<Gateway>,
    pub person: Arc<Person>,
    pub folders: Arc<Folders>,
    pub asks: Arc<Mutex<usize>>,
    pub tool_calls: Arc<Mutex<Vec<Value>>>,
    pub tool_saw_cancel: Arc<Notify>,
    pub events: broadcast::Receiver<Arc<RuntimeEvent>>,
    pub seen: Vec<Arc<RuntimeEvent>>,
    _frozen: Frozen,
}

pub fn world(script: impl Fn(&AskedModel) -> Vec<Step> + Send + Sync + 'static) -> World {
    world_with(Limits::default(), script)
}

pub fn world_with(
    limits: Limits,
    script: impl Fn(&AskedModel) -> Vec<Step> + Send + Sync + 'static,
) -> World {
    world_on(Store::in_memory_with(inbox_message).expect("a store"), "boot-1", limits, script)
}

pub fn world_on(
    store: Store,
    boot: &str,
    limits: Limits,
    script: impl Fn(&AskedModel) -> Vec<Step> + Send + Sync + 'static,
) -> World {
    let gateway = Arc::new(Gateway {
        store: store.clone(),
        runtime: OnceLock::new(),
        calls: Mutex::default(),
        absent: Mutex::default(),
        loses_answers: Mutex::default(),
        tamper: Mutex::default(),
    });
    let person = Arc::new(Person::default());
    let folders = Arc::new(Folders::default());
    let asks = Arc::new(Mutex::new(0));
    let tool_calls = Arc::new(Mutex::new(Vec::new()));
    let tool_saw_cancel = Arc::new(Notify::new());
    let runtime = Runtime::new(RuntimeParts {
        store: store.clone(),
        models: Arc::new(Models { script: Arc::new(script), asks: Arc::clone(&asks) }),
        tools: vec![Arc::new(Probe {
            calls: Arc::clone(&tool_calls),
            saw_cancel: Arc::clone(&tool_saw_cancel),
        })],
        approvals: Arc::clone(&person) as Arc<dyn ApprovalGate>,
        subagents: Arc::clone(&gateway) as Arc<dyn SubagentGateway>,
        clock: Arc::new(TestClock(tokio::time::Instant::now())),
        limits,
        workspace: PathBuf::from("/w"),
        folders: Arc::clone(&folders) as Arc<dyn ChosenFolders>,
        boot: boot.to_owned(),
    });
    assert!(gateway.runtime.set(runtime.clone()).is_ok());
    let events = runtime.events();
    World {
        runtime,
        store,
        gateway,
        person,
        folders,
        asks,
        tool_calls,
        tool_saw_cancel,
        events,
        seen: Vec::new(),
        _frozen: Frozen::new(),
    }
}

pub fn key(text: &str) -> SessionKey {
    SessionKey::parse(text).expect("a session key")
}

pub fn run(text: &str) -> RunId {
    RunId::parse(text).expect("a run id")
}

/// A message of a transcript as clients see it.
pub fn shown(entry: &TranscriptEntry) -> ChatMessage {
    ChatMessage::from(&entry.message)
}

pub fn main_session() -> SessionKey {
    key("main")
}

pub fn authority(runtime: &Runtime) -> RunAuthority {
    authority_of("test", runtime)
}

pub fn authority_of(client: &str, runtime: &Runtime) -> RunAuthority {
    let tools: BTreeSet<String> = runtime.catalog().iter().map(|tool| tool.name.to_owned()).collect();
    RunAuthority::root(Owner::Owner { name: client.to_owned() }, PathBuf::from("/w"), tools)
}

impl World {
    pub fn turn(&self, id: &str, message: &str) -> Turn {
        Turn {
            run: run(id),
            session: main_session(),
            message: message.to_owned(),
            authority: authority(&self.runtime),
            model: None,
            label: None,
            timeout: None,
            extra_system_prompt: None,
        }
    }

    /// A person chooses the folder of a session.
    pub async fn choose(&self, session: &SessionKey, folder: Option<Folder>) {
        let (mut authority, _) = Authority::new(TrustRecords::default());
        let person = authority.take_desktop_key(Desktop::Running).expect("there is a desktop");
        let proposed = ProposedWorkspace { session: session.clone(), folder };
        let digest = proposed.digest();
        let chosen = Decider::person_at_desktop(&person).choose_workspace(proposed, &digest).expect("chosen");
        let id = SessionId::parse(uuid::Uuid::new_v4().to_string()).expect("an id");
        self.store.set_workspace(chosen, id, UnixMillis(1_000_000)).await.expect("kept");
    }

    /// Says something in the main session and waits for the end of the run.
    pub async fn say(&self, id: &str, message: &str) -> RunRow {
        self.runtime.start_turn(self.turn(id, message)).await.expect("accepted");
        self.ended(&run(id)).await
    }

    pub async fn ended(&self, run: &RunId) -> RunRow {
        match self.runtime.wait(run.clone(), LONG).await.expect("the store works") {
            WaitOutcome::Ended(row) => row,
            other => panic!("{other:?}"),
        }
    }

    /// The first event from now on (or among those not looked at yet) that fits.
    pub async fn until(&mut self, fits: impl Fn(&RuntimeEvent) -> bool) -> Arc<RuntimeEvent> {
        loop {
            let event = self.events.recv().await.expect("no event was missed");
            self.seen.push(Arc::clone(&event));
            if fits(&event) {
                return event;
            }
        }
    }

    pub async fn until_ended(&mut self, session: &SessionKey) -> RunRow {
        let fits = |event: &RuntimeEvent| {
            event.session == *session && matches!(event.kind, RunEventKind::Ended { .. })
        };
        match &self.until(fits).await.kind {
            RunEventKind::Ended { run, .. } => (**run).clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until so many subagents have ended and their results are in their parent's inbox.
    pub async fn until_children_ended(&mut self, count: usize) {
        for _ in 0..count {
            self.until(|event| {
                event.spawned_by.is_some() && matches!(event.kind, RunEventKind::Ended { .. })
            })
            .await;
        }
        while self.runtime.active().iter().any(|run| run.parent.is_some()) {
            tokio::task::yield_now().await;
        }
    }

    /// Moves the time, after everything that could start a timer has had its turn.
    pub async fn advance(&self, time: Duration) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(time).await;
    }

    pub async fn transcript(&self, session: &SessionKey) -> Vec<TranscriptEntry> {
        let row = self.store.session(session.clone()).await.expect("store").expect("session");
        self.store.transcript(row.session_id, None, 1000).await.expect("store")
    }

    /// Roles of a session's transcript, in order.
    pub async fn roles(&self, session: &SessionKey) -> Vec<&'static str> {
        let entries = self.transcript(session).await;
        let role = |entry: &TranscriptEntry| match entry.message {
            TranscriptMessage::User { .. } => "user",
            TranscriptMessage::Assistant { .. } => "assistant",
            TranscriptMessage::ToolResult { .. } => "toolResult",
            TranscriptMessage::Runtime { .. } => "runtime",
            TranscriptMessage::Unknown(_) => "unknown",
        };
        entries.iter().map(role).collect()
    }

    pub fn asks(&self) -> usize {
        *self.asks.lock().expect("lock")
    }
}

/// What was logged, as lines.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The lines with this message.
    pub fn lines(&self, message: &str) -> Vec<String> {
        let bytes = self.0.lock().expect("lock").clone();
        let text = String::from_utf8(bytes).expect("text");
        text.lines().filter(|line| line.contains(message)).map(str::to_owned).collect()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("lock").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
