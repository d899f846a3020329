//! Calls one tool for a run: checks, waits for a pause to end, runs it, and bounds its answer.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tidegate_protocol::payload::permissions::PermissionName;
use tidegate_protocol::text::one_line;
use tidegate_protocol::transcript::CallOutcome;
use tracing::Instrument as _;

use super::toolbox::Toolbox;
use crate::approval::{APPROVAL_TIMEOUT, ApprovalAnswer, ApprovalGate, ApprovalQuestion};
use crate::arguments::parse_object;
use crate::clock::Clock;
use crate::command::ActiveCommands;
use crate::event::RunEventKind;
use crate::limits::Limits;
use crate::message::ToolCall;
use crate::queue::Places;
use crate::run::RunHandle;
use crate::sync::lock;
use crate::tool::{Tool, ToolContext, ToolOutput, ToolUpdates};
use crate::untrusted::head_and_tail;

/// The most characters of a call's id in the log. Models choose these ids.
const MAX_LOGGED_ID: usize = 64;

/// Calls tools for runs.
pub(crate) struct ToolCalls {
    pub(crate) tools: Toolbox,
    pub(crate) approvals: Arc<dyn ApprovalGate>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) places: Arc<Places>,
    pub(crate) commands: ActiveCommands,
}

impl ToolCalls {
    /// Whether neighbouring calls in one answer are made at the same time: those of one tool that allows it.
    pub(super) fn go_together(&self, first: &ToolCall, next: &ToolCall) -> bool {
        let meant = |call: &ToolCall| self.tools.meant(&call.name);
        meant(first)
            .zip(meant(next))
            .is_some_and(|(first, next)| first.name == next.name && first.tool.goes_together())
    }

    /// Calls a tool. Refusals and failures are answers too.
    pub(super) async fn invoke(&self, handle: &Arc<RunHandle>, call: &ToolCall) -> ToolOutput {
        let meant = self.tools.meant(&call.name);
        let call = &*match meant {
            Some(named) if named.name != call.name => {
                Cow::Owned(ToolCall { name: named.name.to_owned(), ..call.clone() })
            }
            _ => Cow::Borrowed(call),
        };
        let arguments = match admit(handle, call) {
            Ok(arguments) => arguments,
            Err(refusal) => return ToolOutput::error(refusal).by_runtime(),
        };
        if !self.places.while_not_paused(handle).await {
            return ToolOutput::skipped(handle.stopped_outcome().1).because(CallOutcome::Stopped);
        }
        let (call_id, name) = (call.id.clone(), call.name.clone());
        let started = RunEventKind::ToolStarted { call_id, name: name.clone(), arguments: arguments.clone() };
        handle.emit(self.clock.now(), started);
        handle.set_tool(Some(name));
        let mut output = match meant {
            Some(named) => {
                let id = one_line(&call.id, MAX_LOGGED_ID);
                let span = tracing::error_span!("tool_call", tool = named.name, call = id);
                self.run_tool(&*named.tool, handle, call, arguments).instrument(span).await
            }
            None => ToolOutput::error(format!("There is no tool {} here.", call.name)).by_runtime(),
        };
        handle.set_tool(None);
        let hint = "ask for a smaller part";
        output.text = head_and_tail(&output.text, self.limits.tool_result_bytes, hint);
        let (call_id, name) = (call.id.clone(), call.name.clone());
        let (text, is_error) = (output.text.clone(), output.is_error);
        handle.emit(self.clock.now(), RunEventKind::ToolEnded { call_id, name, text, is_error });
        output
    }

    async fn run_tool(
        &self,
        tool: &dyn Tool,
        handle: &Arc<RunHandle>,
        call: &ToolCall,
        arguments: Value,
    ) -> ToolOutput {
        let updates = Updates::of(&self.clock, handle, call);
        let is_denied = Arc::new(AtomicBool::new(false));
        let permission = Arc::new(Mutex::new(None));
        let context = ToolContext {
            run: handle.id().clone(),
            session: handle.session().clone(),
            ancestors: handle.ancestor_names(),
            authority: handle.authority().clone(),
            task: handle.task().clone(),
            network: handle.network.clone(),
            approvals: Arc::new(RunApprovals {
                approvals: Arc::clone(&self.approvals),
                places: Arc::clone(&self.places),
                handle: Arc::clone(handle),
                is_denied: Arc::clone(&is_denied),
                permission: Arc::clone(&permission),
            }),
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
        let output = match answered {
            Some(Ok(output)) => output,
            Some(Err(_)) => {
                let crashed = format!("The tool {} crashed. Its outcome is unknown.", call.name);
                ToolOutput::error(crashed).by_runtime()
            }
            None => ToolOutput::stopped(),
        };
        let output = output.by_permission(*lock(&permission));
        match handle.token().is_cancelled() {
            true => output.because(CallOutcome::Stopped),
            false if is_denied.load(Ordering::Relaxed) => output.because(CallOutcome::Denied),
            false => output,
        }
    }
}

/// Whether the run may make this call, and its arguments.
fn admit(handle: &RunHandle, call: &ToolCall) -> Result<Value, String> {
    let authority = handle.authority();
    if !authority.may_use(&call.name) {
        let tools: Vec<_> = authority.tools().iter().map(String::as_str).collect();
        let name = one_line(&call.name, 64);
        return Err(format!("This run may not use a tool {name:?}. It may use: {}.", tools.join(", ")));
    }
    let arguments = parse_object(&call.arguments);
    arguments.map(Value::Object).map_err(|error| format!("The call of {} was not run: {error}.", call.name))
}

/// What a call tells while it works, and no longer: its end is the last event.
#[derive(Clone)]
struct Updates(Arc<Mutex<Option<Emit>>>);

type Emit = Box<dyn Fn(String) + Send + Sync>;

impl Updates {
    fn of(clock: &Arc<dyn Clock>, handle: &Arc<RunHandle>, call: &ToolCall) -> Self {
        let (clock, handle) = (Arc::clone(clock), Arc::clone(handle));
        let (call_id, name) = (call.id.clone(), call.name.clone());
        let emit = move |text| {
            let (call_id, name) = (call_id.clone(), name.clone());
            handle.emit(clock.now(), RunEventKind::ToolUpdated { call_id, name, text });
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

/// Asks a person for a run, which takes no place and no time of its deadline meanwhile.
struct RunApprovals {
    approvals: Arc<dyn ApprovalGate>,
    places: Arc<Places>,
    handle: Arc<RunHandle>,
    /// Set when something was not allowed.
    is_denied: Arc<AtomicBool>,
    /// The permission by which nobody was asked.
    permission: Arc<Mutex<Option<PermissionName>>>,
}

impl ApprovalGate for RunApprovals {
    fn ask(&self, question: ApprovalQuestion) -> BoxFuture<'_, ApprovalAnswer> {
        Box::pin(async move {
            let hold = self.handle.deadline.hold();
            let answer = self.places.without_place(&self.handle, async {
                tokio::select! {
                    biased;
                    () = self.handle.token().cancelled() => {
                        ApprovalAnswer::Denied { reason: self.handle.stopped_outcome().1.to_owned() }
                    }
                    answer = self.approvals.ask(question) => answer,
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
            match &answer {
                ApprovalAnswer::Denied { .. } => self.is_denied.store(true, Ordering::Relaxed),
                ApprovalAnswer::Permitted { permission, .. } if !permission.was_asked => {
                    *lock(&self.permission) = Some(permission.kind);
                }
                ApprovalAnswer::Permitted { .. } | ApprovalAnswer::Allowed { .. } => {}
            }
            answer
        })
    }
}
