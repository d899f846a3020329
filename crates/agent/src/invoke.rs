//! Calls one tool for a run: checks, waits for a pause to end, runs it, and bounds its answer.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use serde_json::Value;
use tidegate_protocol::transcript::ResultAuthor;

use crate::approval::{APPROVAL_TIMEOUT, ApprovalAnswer, ApprovalGate, ApprovalQuestion};
use crate::arguments::parse_object;
use crate::event::RunEventKind;
use crate::message::ToolCall;
use crate::model::BoxFuture;
use crate::own_tools::OwnTool;
use crate::run::{Activity, RunHandle, lock};
use crate::runtime::Inner;
use crate::tool::{Tool, ToolContext, ToolOutput, ToolUpdates};
use crate::untrusted::head_and_tail;

const STOPPED_IN_CALL: &str = "The run was stopped while this tool worked. Its outcome is unknown.";

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) output: ToolOutput,
    pub(crate) author: ResultAuthor,
}

impl Invocation {
    fn ours(output: ToolOutput) -> Self {
        Self { output, author: ResultAuthor::Runtime }
    }

    /// A call that did not begin because the run was stopped.
    pub(crate) fn skipped(reason: &str) -> Self {
        Self::ours(ToolOutput::error(format!("This call was not run: {reason}.")))
    }
}

impl Inner {
    /// Calls a tool. Refusals and failures are answers too.
    pub(crate) async fn invoke(self: &Arc<Self>, handle: &Arc<RunHandle>, call: &ToolCall) -> Invocation {
        let call = &self.under_own_name(call);
        let arguments = match self.admit(handle, call) {
            Ok(arguments) => arguments,
            Err(refusal) => return Invocation::ours(ToolOutput::error(refusal)),
        };
        if !self.while_not_paused(handle).await {
            return Invocation::skipped(handle.stopped_outcome().1);
        }
        let (id, name) = (call.id.clone(), call.name.clone());
        handle.emit(
            self.now(),
            RunEventKind::ToolStarted {
                call_id: id.clone(),
                name: name.clone(),
                arguments: arguments.clone(),
            },
        );
        handle.set_tool(Some(name.clone()));
        let mut invocation = self.run_tool(handle, call, arguments).await;
        handle.set_tool(None);
        let hint = "ask for a smaller part";
        invocation.output.text = head_and_tail(&invocation.output.text, self.limits.tool_result_bytes, hint);
        let (text, is_error) = (invocation.output.text.clone(), invocation.output.is_error);
        handle.emit(self.now(), RunEventKind::ToolEnded { call_id: id, name, text, is_error });
        invocation
    }

    /// The call with the name that the tool has here, when the model used another name for it.
    fn under_own_name<'a>(&self, call: &'a ToolCall) -> Cow<'a, ToolCall> {
        let own = |tool: &dyn Tool| tool.description().name;
        if OwnTool::named(&call.name).is_some() || self.tools.iter().any(|tool| own(&**tool) == call.name) {
            return Cow::Borrowed(call);
        }
        let is_meant = |name: &str| name.eq_ignore_ascii_case(&call.name);
        let meant = self.tools.iter().map(|tool| (own(&**tool), tool.aliases()));
        let mut meant =
            meant.filter(|(name, aliases)| is_meant(name) || aliases.iter().any(|alias| is_meant(alias)));
        match meant.next() {
            Some((name, _)) => Cow::Owned(ToolCall { name: name.to_owned(), ..call.clone() }),
            None => Cow::Borrowed(call),
        }
    }

    /// Whether the run may make this call, and its arguments.
    fn admit(&self, handle: &RunHandle, call: &ToolCall) -> Result<Value, String> {
        let authority = &handle.spec.authority;
        if !authority.may_use(&call.name) {
            let tools: Vec<_> = authority.tools().iter().map(String::as_str).collect();
            let name = tidegate_protocol::text::one_line(&call.name, 64);
            return Err(format!("This run may not use a tool {name:?}. It may use: {}.", tools.join(", ")));
        }
        let arguments = parse_object(&call.arguments);
        arguments
            .map(Value::Object)
            .map_err(|error| format!("The call of {} was not run: {error}.", call.name))
    }

    async fn run_tool(
        self: &Arc<Self>,
        handle: &Arc<RunHandle>,
        call: &ToolCall,
        arguments: Value,
    ) -> Invocation {
        if let Some(own) = OwnTool::named(&call.name) {
            let answer = AssertUnwindSafe(own.call(self, handle, arguments)).catch_unwind();
            let output = tokio::select! {
                biased;
                () = handle.token().cancelled() => return Invocation::ours(ToolOutput::error(STOPPED_IN_CALL)),
                answer = answer => answer.unwrap_or_else(|_| crashed(&call.name)),
            };
            let author = if own.shows_foreign_text() && !output.is_error {
                ResultAuthor::Tool
            } else {
                ResultAuthor::Runtime
            };
            return Invocation { output, author };
        }
        let Some(tool) = self.tools.iter().find(|tool| tool.description().name == call.name) else {
            return Invocation::ours(ToolOutput::error(format!("There is no tool {} here.", call.name)));
        };
        let updates = Updates::of(self, handle, call);
        let context = ToolContext {
            run: handle.id().clone(),
            session: handle.session().clone(),
            ancestors: handle.ancestor_names(),
            authority: handle.spec.authority.clone(),
            approvals: Arc::new(RunApprovals { inner: Arc::clone(self), handle: Arc::clone(handle) }),
            cancelled: handle.token().clone(),
            call_id: call.id.clone(),
            updates: updates.sink(),
            commands: self.commands.clone(),
        };
        let mut answer = Box::pin(AssertUnwindSafe(tool.call(context, arguments)).catch_unwind());
        let answered = tokio::select! {
            answered = &mut answer => Some(answered),
            // The tool sees the same token and ends its processes: it needs to be polled for that.
            () = handle.token().cancelled() => tokio::time::timeout(self.limits.stop_grace, &mut answer).await.ok(),
        };
        // A tool that was given up may go on for a moment.
        updates.end();
        match answered {
            Some(Ok(output)) => Invocation { output, author: ResultAuthor::Tool },
            Some(Err(_)) => Invocation::ours(crashed(&call.name)),
            None => Invocation::ours(ToolOutput::error(STOPPED_IN_CALL)),
        }
    }

    /// Waits until runs are not paused; false when the run was stopped.
    pub(crate) async fn while_not_paused(&self, handle: &RunHandle) -> bool {
        let mut paused = self.paused.subscribe();
        if *paused.borrow_and_update() {
            return self
                .without_place(handle, async {
                    tokio::select! {
                        biased;
                        () = handle.token().cancelled() => false,
                        resumed = paused.wait_for(|paused| !paused) => resumed.is_ok(),
                    }
                })
                .await
                && !handle.token().is_cancelled();
        }
        !handle.token().is_cancelled()
    }

    /// Takes a place to work in; false when the run was stopped before there was one.
    pub(crate) async fn take_place(&self, handle: &RunHandle) -> bool {
        let places = if handle.is_subagent() { &self.subagent_places } else { &self.main_places };
        let permit = tokio::select! {
            biased;
            () = handle.token().cancelled() => return false,
            permit = Arc::clone(places).acquire_owned() => permit,
        };
        *lock(&handle.place) = permit.ok();
        handle.set_activity(Activity::Working);
        true
    }

    /// Waits for something while the run gives its place to others.
    pub(crate) async fn without_place<T>(&self, handle: &RunHandle, wait: impl Future<Output = T>) -> T {
        let place = lock(&handle.place).take();
        let had_one = place.is_some();
        drop(place);
        let before = handle.activity();
        handle.set_activity(Activity::Waiting);
        let answer = wait.await;
        handle.set_activity(before);
        if had_one {
            self.take_place(handle).await;
        }
        answer
    }
}

/// What a call tells while it works, and no longer: its end is the last event.
#[derive(Clone)]
struct Updates(Arc<Mutex<Option<Emit>>>);

type Emit = Box<dyn Fn(String) + Send + Sync>;

impl Updates {
    fn of(inner: &Arc<Inner>, handle: &Arc<RunHandle>, call: &ToolCall) -> Self {
        let (inner, handle) = (Arc::clone(inner), Arc::clone(handle));
        let (call_id, name) = (call.id.clone(), call.name.clone());
        let emit = move |text| {
            let (call_id, name) = (call_id.clone(), name.clone());
            handle.emit(inner.now(), RunEventKind::ToolUpdated { call_id, name, text });
        };
        Self(Arc::new(Mutex::new(Some(Box::new(emit)))))
    }

    fn sink(&self) -> ToolUpdates {
        let Self(shared) = self.clone();
        ToolUpdates::new(move |text| {
            if let Some(emit) = &*lock(&shared) {
                emit(text);
            }
        })
    }

    fn end(&self) {
        *lock(&self.0) = None;
    }
}

fn crashed(tool: &str) -> ToolOutput {
    ToolOutput::error(format!("The tool {tool} crashed. Its outcome is unknown."))
}

/// Asks a person for a run, which takes no place and no time of its deadline meanwhile.
struct RunApprovals {
    inner: Arc<Inner>,
    handle: Arc<RunHandle>,
}

impl ApprovalGate for RunApprovals {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        Box::pin(async move {
            let hold = self.handle.deadline.hold();
            let answer = self.inner.without_place(&self.handle, async {
                tokio::select! {
                    biased;
                    () = self.handle.token().cancelled() => {
                        ApprovalAnswer::Denied { reason: self.handle.stopped_outcome().1.to_owned() }
                    }
                    answer = self.inner.approvals.ask(question) => answer,
                    () = tokio::time::sleep(APPROVAL_TIMEOUT) => {
                        ApprovalAnswer::Denied { reason: "nobody decided in time".to_owned() }
                    }
                }
            });
            let answer = answer.await;
            drop(hold);
            // It may have been stopped while it waited for a place again.
            if self.handle.token().is_cancelled() {
                return ApprovalAnswer::Denied { reason: self.handle.stopped_outcome().1.to_owned() };
            }
            answer
        })
    }
}
