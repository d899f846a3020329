//! JSON schemas of everything on the wire, generated from the types (draft 2020-12). They are
//! committed in `schemas/`; a test holds that they are current.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::connect::ConnectParams;
use crate::error::ErrorShape;
use crate::hello::HelloOk;
use crate::method::{Access, Power};
use crate::payload::{
    agents, approvals, chat, devices, events, files, frames, lists, sessions, surface_params, surfaces,
    system,
};
use crate::{Event, Method, params};

/// The schema of a type, among the definitions that the generator collects.
type Reference = fn(&mut SchemaGenerator) -> Schema;

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What a method takes. `None` for methods whose parameters are not described.
fn parameters(method: Method) -> Option<Reference> {
    use Method as M;
    Some(match method {
        M::Health => of::<params::Health>,
        M::DevicePairApprove | M::DevicePairReject => of::<params::RequestId>,
        M::DevicePairRemove => of::<params::Device>,
        M::DevicePairRename => of::<params::DeviceRename>,
        M::DeviceTokenRotate => of::<params::TokenRotate>,
        M::DeviceTokenRevoke => of::<params::TokenRevoke>,
        M::SessionsList => of::<params::SessionsList>,
        M::SessionsDescribe | M::SessionsMessagesSubscribe | M::SessionsMessagesUnsubscribe => {
            of::<params::SessionRef>
        }
        M::SessionsPreview => of::<params::SessionsPreview>,
        M::SessionsPatch => of::<params::SessionsPatch>,
        M::SessionsReset => of::<params::SessionsReset>,
        M::SessionsDelete => of::<params::SessionsDelete>,
        M::ChatSend => of::<params::ChatSend>,
        M::ChatHistory => of::<params::ChatHistory>,
        M::ChatAbort => of::<params::ChatAbort>,
        M::Agent => of::<params::Agent>,
        M::AgentWait => of::<params::AgentWait>,
        M::AgentIdentityGet => of::<params::AgentIdentity>,
        M::LogsTail => of::<params::LogsTail>,
        M::ExecApprovalRequest => of::<params::ExecApprovalRequest>,
        M::ExecApprovalResolve => of::<params::ExecApprovalResolve>,
        M::ExecApprovalWaitDecision => of::<params::ExecApprovalWait>,
        M::SystemEvent => of::<params::SystemEvent>,
        M::AgentsList
        | M::ModelsList
        | M::ToolsCatalog
        | M::CommandsList
        | M::ExecApprovalList
        | M::CronList
        | M::CronStatus
        | M::NodeList
        | M::ChannelsStatus
        | M::QuestionList
        | M::PluginApprovalList
        | M::TaskSuggestionsList => of::<params::ListOptions>,
        M::Status
        | M::SystemPresence
        | M::LastHeartbeat
        | M::DevicePairList
        | M::SessionsSubscribe
        | M::ConfigGet
        | M::TidegateStatus
        | M::TidegateDoctor
        | M::TidegateDevicesWaiting
        | M::TidegateConnect
        | M::TidegateConfigList
        | M::TidegateFilesList
        | M::TidegateTokenList
        | M::TidegateCommandsList
        | M::TidegatePause
        | M::TidegateResume => of::<params::Empty>,
        M::TidegateTokenRevoke
        | M::TidegateDevicesShow
        | M::TidegateDevicesRevoke
        | M::TidegateDevicesBlock
        | M::TidegateDevicesUnblock
        | M::TidegateFilesShow
        | M::TidegateFilesDiscard => of::<surface_params::ById>,
        M::TidegateDevicesDecide => of::<surface_params::Decide>,
        M::TidegateReview => of::<surface_params::Review>,
        M::TidegateTokenNew => of::<surface_params::TokenNew>,
        M::TidegateTokenWish => of::<surface_params::TokenWish>,
        M::TidegateModelsWish => of::<surface_params::ModelsWish>,
        M::TidegateModelsUse | M::TidegateModelsTest => of::<surface_params::ModelChoice>,
        M::TidegateModelsTake => of::<surface_params::TakeServer>,
        M::TidegateConfigConfirm => of::<surface_params::ConfirmSetting>,
        M::TidegateFilesKeep => of::<surface_params::KeepFile>,
        M::TidegateFilesUnshare => of::<surface_params::UnshareFolder>,
        M::TidegateConfigReject => of::<surface_params::RejectSetting>,
        M::TidegateCommandsInterrupt => of::<surface_params::InterruptCommand>,
        M::TidegateAudit => of::<surface_params::Audit>,
        _ => return None,
    })
}

/// What a method answers when it goes well. `None` for methods whose answers are not described.
fn result(method: Method) -> Option<Reference> {
    use Method as M;
    Some(match method {
        M::Health => of::<system::HealthResult>,
        M::Status => of::<system::StatusResult>,
        M::SystemPresence => of::<Vec<system::PresenceEntry>>,
        M::LastHeartbeat => of::<()>,
        M::DevicePairList => of::<devices::DevicePairListResult>,
        M::DevicePairApprove => of::<devices::DevicePairApproveResult>,
        M::DevicePairReject => of::<devices::DevicePairRejectResult>,
        M::DevicePairRemove => of::<devices::DevicePairRemoveResult>,
        M::DevicePairRename => of::<devices::DevicePairRenameResult>,
        M::DeviceTokenRotate => of::<devices::DeviceTokenRotateResult>,
        M::DeviceTokenRevoke => of::<devices::DeviceTokenRevokeResult>,
        M::SessionsList => of::<sessions::SessionsListResult>,
        M::SessionsDescribe => of::<sessions::SessionsDescribeResult>,
        M::SessionsPreview => of::<sessions::SessionsPreviewResult>,
        M::SessionsPatch => of::<sessions::SessionsPatchResult>,
        M::SessionsReset => of::<sessions::SessionsResetResult>,
        M::SessionsDelete => of::<sessions::SessionsDeleteResult>,
        M::SessionsSubscribe | M::SessionsMessagesSubscribe | M::SessionsMessagesUnsubscribe => {
            of::<sessions::Subscribed>
        }
        M::ChatSend => of::<chat::ChatSendResult>,
        M::ChatHistory => of::<chat::ChatHistoryResult>,
        M::ChatAbort => of::<chat::ChatAbortResult>,
        M::Agent => of::<chat::AgentResult>,
        M::AgentWait => of::<chat::AgentWaitResult>,
        M::AgentIdentityGet => of::<agents::AgentIdentityResult>,
        M::AgentsList => of::<agents::AgentsListResult>,
        M::ModelsList => of::<agents::ModelsListResult>,
        M::ToolsCatalog => of::<agents::ToolsCatalogResult>,
        M::ConfigGet => of::<system::ConfigGetResult>,
        M::LogsTail => of::<system::LogsTailResult>,
        M::SystemEvent | M::ExecApprovalResolve => of::<system::Done>,
        M::ExecApprovalRequest => of::<approvals::ExecApprovalRequestResult>,
        M::ExecApprovalList => of::<Vec<approvals::WaitingApproval>>,
        M::ExecApprovalWaitDecision => of::<approvals::ExecApprovalWaitResult>,
        M::CommandsList => of::<lists::CommandsListResult>,
        M::CronList => of::<lists::CronListResult>,
        M::CronStatus => of::<lists::CronStatusResult>,
        M::NodeList => of::<lists::NodeListResult>,
        M::ChannelsStatus => of::<lists::ChannelsStatusResult>,
        M::QuestionList => of::<lists::QuestionListResult>,
        M::PluginApprovalList => of::<Vec<Value>>,
        M::TaskSuggestionsList => of::<lists::TaskSuggestionsListResult>,
        M::TidegateStatus => of::<surfaces::TidegateStatusResult>,
        M::TidegateDoctor => of::<surfaces::DoctorResult>,
        M::TidegateDevicesWaiting => of::<surfaces::WaitingResult>,
        M::TidegateConnect => of::<surfaces::ConnectLinesResult>,
        M::TidegateReview | M::TidegateTokenWish | M::TidegateModelsWish => of::<surfaces::Opened>,
        M::TidegateTokenList => of::<surfaces::TokenListResult>,
        M::TidegateTokenRevoke | M::TidegateDevicesRevoke => of::<surfaces::RevokedResult>,
        M::TidegateDevicesBlock => of::<surfaces::BlockedResult>,
        M::TidegateDevicesUnblock => of::<surfaces::UnblockedResult>,
        M::TidegateDevicesShow => of::<surfaces::ShownEntry>,
        M::TidegateTokenNew => of::<surfaces::TokenNewResult>,
        M::TidegateDevicesDecide => of::<surfaces::DecidedResult>,
        M::TidegateConfigList => of::<surfaces::ConfigListResult>,
        M::TidegateConfigConfirm | M::TidegateConfigReject => of::<surfaces::SettingDecidedResult>,
        M::TidegateCommandsList => of::<surfaces::RunningCommandsResult>,
        M::TidegateCommandsInterrupt => of::<surfaces::InterruptedResult>,
        M::TidegateFilesList => of::<files::FilesListResult>,
        M::TidegateFilesShow => of::<files::SetAsideFileDetails>,
        M::TidegateFilesKeep | M::TidegateFilesDiscard => of::<files::FileDecidedResult>,
        M::TidegateFilesUnshare => of::<files::SharedFolder>,
        M::TidegateAudit => of::<surfaces::AuditResult>,
        M::TidegatePause | M::TidegateResume => of::<surfaces::PausedResult>,
        M::TidegateModelsUse | M::TidegateModelsTake => of::<surfaces::ModelsUseResult>,
        M::TidegateModelsTest => of::<surfaces::ModelsTestResult>,
        _ => return None,
    })
}

/// What an event carries.
fn payload(event: Event) -> Option<Reference> {
    Some(match event {
        Event::ConnectChallenge => of::<events::ConnectChallengeEvent>,
        Event::Tick => of::<events::TickEvent>,
        Event::Shutdown => of::<events::ShutdownEvent>,
        Event::Health => of::<system::HealthResult>,
        Event::Presence => of::<events::PresenceEvent>,
        Event::Agent | Event::SessionTool => of::<events::AgentEvent>,
        Event::Chat => of::<events::ChatEvent>,
        Event::SessionMessage => of::<events::SessionMessageEvent>,
        Event::SessionsChanged => of::<events::SessionsChangedEvent>,
        Event::ExecApprovalRequested => of::<approvals::WaitingApproval>,
        Event::ExecApprovalResolved => of::<approvals::ApprovalResolvedEvent>,
        Event::DevicePairRequested => of::<devices::PendingDevice>,
        Event::DevicePairResolved => of::<events::DevicePairResolvedEvent>,
        Event::TidegateChanged => of::<events::ChangedEvent>,
    })
}

fn access(method: Method) -> String {
    match method.access() {
        Access::Anyone => "anyone".to_owned(),
        Access::Scope(scope) => scope.to_string(),
        _ => "own-surfaces".to_owned(),
    }
}

fn power(method: Method) -> &'static str {
    match method.power() {
        Power::Look => "look",
        Power::Work => "work",
        Power::Narrow => "narrow",
        Power::Decide => "decide",
        Power::Widen => "widen",
        Power::Wish => "wish",
        Power::Administer => "administer",
    }
}

/// The whole protocol as one document: every type is under `$defs`. `methods` and `events` say which
/// of them belong to what: `params` and `result` of a method, the payload of an event.
///
/// It is an ordinary JSON schema besides, of any frame.
#[must_use]
pub fn document() -> Value {
    let mut generator = SchemaGenerator::default();
    let frames = [of::<frames::ClientFrame>(&mut generator), of::<frames::GatewayFrame>(&mut generator)];
    for definition in [of::<ConnectParams>, of::<HelloOk>, of::<ErrorShape>] {
        definition(&mut generator);
    }
    of::<chat::AgentAccepted>(&mut generator);
    let mut methods = Map::new();
    methods.insert(
        "connect".to_owned(),
        json!({ "access": "anyone", "params": of::<ConnectParams>(&mut generator), "result": of::<HelloOk>(&mut generator) }),
    );
    for &method in Method::ALL {
        let mut entry = BTreeMap::from([("access", json!(access(method))), ("power", json!(power(method)))]);
        if let Some(schema) = parameters(method) {
            entry.insert("params", json!(schema(&mut generator)));
        }
        if let Some(schema) = result(method) {
            entry.insert("result", json!(schema(&mut generator)));
        }
        methods.insert(method.name().to_owned(), json!(entry));
    }
    // The first frame to a surface of the person.
    let mut events = Map::from_iter([
        ("tidegate.welcome".to_owned(), json!(of::<events::WelcomeEvent>(&mut generator))),
        ("tidegate.refused".to_owned(), json!(of::<events::RefusedEvent>(&mut generator))),
    ]);
    for &event in Event::ALL {
        if let Some(schema) = payload(event) {
            events.insert(event.name().to_owned(), json!(schema(&mut generator)));
        }
    }
    let definitions = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tidegate gateway protocol, versions 3 and 4",
        "description": "Generated from the types of crates/protocol; do not edit.",
        "anyOf": frames,
        "methods": methods,
        "events": events,
        "$defs": definitions,
    })
}
