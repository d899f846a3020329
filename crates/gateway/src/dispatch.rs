//! From a method's name to its handler. Who may call it was decided before.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use tidegate_protocol::frame::{RequestFrame, ResponseFrame};
use tidegate_protocol::params::{self, Empty};
use tidegate_protocol::{ErrorShape, Method, RequestId};
use tidegate_trust::Session;

use crate::connection::frame;
use crate::gateway::Gateway;
use crate::methods::{
    agents, approvals, chat, commands, desktop, devices, files, history, lists, local, sessions, settings,
    system,
};
use crate::outbox::Outbox;

/// Whoever called a method.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) gateway: Gateway,
    pub(crate) session: Arc<Session>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) id: RequestId,
}

impl Caller {
    /// Sends an answer to the request. A method with two answers sends the first one itself.
    pub(crate) fn answer(&self, reply: Reply) {
        if let Some(text) = reply.frame(self.id.as_str()) {
            self.outbox.send(text);
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) enum Reply {
    Ok(Value),
    /// A success whose payload is text already.
    Snapshot(Arc<RawValue>),
    Error(Box<ErrorShape>),
    /// A failure that also carries a payload (`agent`, final answer).
    Failed(Box<ErrorShape>, Value),
}

impl Reply {
    pub(crate) fn error(error: ErrorShape) -> Self {
        Self::Error(Box::new(error))
    }

    pub(crate) fn frame(&self, id: &str) -> Option<Bytes> {
        match self {
            Self::Ok(payload) => frame(&ResponseFrame::ok(id, payload)),
            Self::Snapshot(payload) => frame(&ResponseFrame::ok(id, &**payload)),
            Self::Error(error) => frame(&ResponseFrame::error(id, error)),
            Self::Failed(error, payload) => frame(&ResponseFrame::failed(id, error, payload)),
        }
    }
}

impl From<Result<Value, ErrorShape>> for Reply {
    fn from(result: Result<Value, ErrorShape>) -> Self {
        match result {
            Ok(payload) => Self::Ok(payload),
            Err(error) => Self::error(error),
        }
    }
}

/// Whether a method may take long, so that the connection's next request does not wait for it.
pub(crate) fn is_slow(method: Method) -> bool {
    matches!(
        method,
        Method::Agent
            | Method::AgentWait
            | Method::ExecApprovalRequest
            | Method::ExecApprovalWaitDecision
            | Method::TidegateDoctor
            | Method::TidegateModelsTest
            | Method::TidegateModelsAdd
            | Method::TidegateModelsUse
            | Method::TidegateModelsTake
            | Method::TidegateSelfTest
            | Method::ModelsList
    )
}

/// Calls a method. All but the most frequent one are waited for in a box, because the task of a
/// connection has room for the largest thing that it ever waits for.
pub(crate) async fn call(caller: &Caller, method: Method, request: &RequestFrame) -> Reply {
    if method == Method::Agent {
        return match parse(method, request) {
            Ok(params) => Box::pin(chat::agent(caller, params)).await,
            Err(error) => Reply::error(error),
        };
    }
    if method == Method::Health {
        // OpenClaw's clients send all kinds of options here, and its gateways look at none.
        return Reply::Snapshot(system::health(&caller.gateway, &caller.session).await);
    }
    Box::pin(answer(caller, method, request)).await.into()
}

async fn answer(caller: &Caller, method: Method, request: &RequestFrame) -> Result<Value, ErrorShape> {
    use Method as M;
    match method {
        M::Health => Err(ErrorShape::invalid("health is answered from its snapshot")),
        M::Status => system::status(caller).await,
        M::SystemPresence => {
            parse(method, request).map(|_: Empty| Value::Array(caller.gateway.inner().hub.presence()))
        }
        M::SystemEvent => system::system_event(caller, parse(method, request)?),
        M::LastHeartbeat => Ok(Value::Null),
        M::DevicePairList => parse(method, request).map(|_: Empty| devices::list(caller)),
        M::DevicePairApprove => devices::approve(caller, parse(method, request)?).await,
        M::DevicePairReject => devices::reject(caller, parse(method, request)?).await,
        M::DevicePairRemove => devices::remove(caller, parse(method, request)?).await,
        M::DevicePairRename => devices::rename(caller, parse(method, request)?).await,
        M::DeviceTokenRotate => devices::rotate(caller, parse(method, request)?).await,
        M::DeviceTokenRevoke => devices::revoke(caller, parse(method, request)?).await,
        M::SessionsList => sessions::list(caller, parse(method, request)?).await,
        M::SessionsDescribe => sessions::describe(caller, parse(method, request)?).await,
        M::SessionsPreview => sessions::preview(caller, parse(method, request)?).await,
        M::SessionsPatch => sessions::patch(caller, parse(method, request)?).await,
        M::SessionsReset => sessions::reset(caller, parse(method, request)?).await,
        M::SessionsDelete => sessions::delete(caller, parse(method, request)?).await,
        M::SessionsSubscribe => parse(method, request).map(|_: Empty| sessions::subscribe(caller)),
        M::SessionsMessagesSubscribe => {
            parse(method, request).map(|params| sessions::watch(caller, &params, true))
        }
        M::SessionsMessagesUnsubscribe => {
            parse(method, request).map(|params| sessions::watch(caller, &params, false))
        }
        M::ChatSend => chat::send(caller, parse(method, request)?).await,
        M::ChatHistory => history::history(caller, parse(method, request)?).await,
        M::ChatAbort => chat::abort(caller, parse(method, request)?).await,
        M::Agent => Err(ErrorShape::invalid("agent has two answers")),
        M::AgentWait => chat::wait(caller, parse(method, request)?).await,
        M::AgentIdentityGet => parse(method, request).and_then(|params| agents::identity(&params)),
        M::AgentsList => parse(method, request).and_then(|_: params::ListOptions| agents::list(caller)),
        M::ToolsCatalog => parse(method, request).and_then(|_: params::ListOptions| agents::tools(caller)),
        M::ModelsList | M::ConfigGet | M::LogsTail => host(caller, method, request).await,
        M::CommandsList
        | M::CronList
        | M::CronStatus
        | M::NodeList
        | M::ChannelsStatus
        | M::QuestionList
        | M::PluginApprovalList
        | M::TaskSuggestionsList => parse(method, request).map(|_: params::ListOptions| lists::empty(method)),
        M::ExecApprovalRequest => approvals::request(caller, parse(method, request)?).await,
        M::ExecApprovalList => parse(method, request).map(|_: params::ListOptions| approvals::list(caller)),
        M::ExecApprovalResolve => {
            parse(method, request).and_then(|params| approvals::resolve(caller, &params))
        }
        M::ExecApprovalWaitDecision => approvals::wait(caller, parse(method, request)?).await,
        M::TidegateTokenRotate => local::token_rotate(caller).await,
        M::TidegateTokenNew => local::token_new(caller, parse(method, request)?).await,
        M::TidegateTokenList => Ok(local::token_list(caller)),
        M::TidegateTokenRevoke => local::token_revoke(caller, parse(method, request)?).await,
        M::TidegateDevicesShow => parse(method, request).and_then(|params| local::show(caller, &params)),
        M::TidegateDevicesDecide => local::decide(caller, parse(method, request)?).await,
        M::TidegateDevicesRevoke => local::revoke(caller, parse(method, request)?).await,
        M::TidegateDevicesBlock => local::block(caller, parse(method, request)?).await,
        M::TidegateDevicesUnblock => local::unblock(caller, parse(method, request)?).await,
        M::TidegateDevicesWaiting => parse(method, request).map(|_: Empty| desktop::waiting(caller)),
        M::TidegateConnect => {
            parse::<Empty>(method, request)?;
            desktop::connect(caller).await
        }
        M::TidegateReview => parse(method, request).and_then(|params| desktop::review(caller, params)),
        M::TidegateTokenWish => parse(method, request).and_then(|params| desktop::token_wish(caller, params)),
        M::TidegateModelsWish => {
            parse(method, request).and_then(|params| desktop::models_wish(caller, params))
        }
        M::TidegateModelsTake => desktop::take_server(&caller.gateway, parse(method, request)?).await,
        M::TidegateConfigList => {
            let mut list = host(caller, method, request).await?;
            settings::add(caller, &mut list);
            Ok(list)
        }
        M::TidegateConfigConfirm => settings::confirm(caller, parse(method, request)?).await,
        M::TidegateConfigReject => settings::reject(caller, parse(method, request)?).await,
        M::TidegateCommandsList => parse(method, request).and_then(|_: Empty| commands::list(caller)),
        M::TidegateCommandsInterrupt => commands::interrupt(caller, parse(method, request)?).await,
        M::TidegateFilesKeep => files::keep(caller, parse(method, request)?).await,
        M::TidegateFilesUnshare => files::unshare(caller, parse(method, request)?).await,
        M::TidegateFilesDiscard => files::discard(caller, parse(method, request)?).await,
        M::TidegateAudit => local::audit(caller, parse(method, request)?).await,
        M::TidegatePause => local::pause(&caller.gateway, true).await,
        M::TidegateResume => local::pause(&caller.gateway, false).await,
        M::TidegateStatus => {
            let mut status = host(caller, method, request).await?;
            local::add_surfaces(caller, &mut status);
            Ok(status)
        }
        M::TidegateDoctor
        | M::TidegateTokenShow
        | M::TidegateFilesList
        | M::TidegateFilesShow
        | M::TidegateModelsAdd
        | M::TidegateModelsUse
        | M::TidegateModelsTest
        | M::TidegateSelfTest
        | M::TidegateStop => host(caller, method, request).await,
    }
}

async fn host(caller: &Caller, method: Method, request: &RequestFrame) -> Result<Value, ErrorShape> {
    let params = parse(method, request)?;
    caller.gateway.inner().host.call(method, params).await
}

pub(crate) fn parse<T: DeserializeOwned>(method: Method, request: &RequestFrame) -> Result<T, ErrorShape> {
    request
        .params()
        .map_err(|error| ErrorShape::invalid(format!("invalid {} params: {error}", method.name())))
}
