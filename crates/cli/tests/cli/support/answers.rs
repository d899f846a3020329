//! Whole answers, as the protocol's types have them. Tests change what they are about.

use serde_json::Value;
use tidegate_protocol::payload::agents::ModelListEntry;
use tidegate_protocol::payload::approvals::{ApprovalCommand, ExecApprovalResolveResult, WaitingApproval};
use tidegate_protocol::payload::chat::{
    AgentAccepted, AgentMeta, AgentModelMeta, AgentOutput, AgentPayload, AgentResult, AgentUsage,
    ChatHistoryPage, ChatHistoryResult,
};
use tidegate_protocol::payload::devices::{BlockedEntry, DevicePairListResult, PairedDevice, PendingDevice};
use tidegate_protocol::payload::events::{AgentData, AgentEvent};
use tidegate_protocol::payload::files::{SetAsideAction, SetAsideFile, SetAsideKind};
use tidegate_protocol::payload::permissions::{
    OfferedPermission, PermissionEntry, PermissionName, PermissionOffer, PermissionsListResult,
};
use tidegate_protocol::payload::sessions::{SessionModelDefaults, SessionsDeleteResult, SessionsListResult};
use tidegate_protocol::payload::surface_params::Level;
use tidegate_protocol::payload::surfaces::{
    Condition, GatewayStatus, ModelsStatus, ModelsTestResult, ModelsUseResult, ProgramEntry, RevokedResult,
    SandboxStatus, SharedTokenResult, TidegateStatusResult, TokenNewResult, TokenRotatedResult,
};
use tidegate_protocol::payload::system::LogsTailResult;
use tidegate_protocol::refusal::PairingReason;
use tidegate_protocol::{AgentId, DeviceId, PublicKey, RunId, Scope, SessionId, SessionKey, UnixMillis};

use super::NOW;

/// The whole id of a waiting request, and of a waiting command.
pub(crate) const ID: &str = "3f2a9c1e-1111-4222-8333-444455556666";
/// The key of a device.
pub(crate) const KEY: &str = "fwD_c5r85uoIoFOAVIVdu5txBnyNLMQYgFYQ_sqb1M4";
/// A device's whole id.
pub(crate) const DEVICE: &str = "ed6098d8b3bcc9b33e8f9546ced9572ed0623a17a254a972180e11ffa10f9624";

/// A moment so many milliseconds before now.
pub(crate) fn ago(milliseconds: u64) -> UnixMillis {
    UnixMillis(NOW - milliseconds)
}

/// A moment so many milliseconds after now.
pub(crate) fn in_future(milliseconds: u64) -> UnixMillis {
    UnixMillis(NOW + milliseconds)
}

pub(crate) fn device_id() -> DeviceId {
    DeviceId::parse(DEVICE).unwrap()
}

pub(crate) fn run_id(id: &str) -> RunId {
    RunId::parse(id).unwrap()
}

pub(crate) fn session_key(key: &str) -> SessionKey {
    SessionKey::parse(key).unwrap()
}

fn no_defaults() -> SessionModelDefaults {
    SessionModelDefaults { model_provider: None, model: None, context_tokens: None }
}

/// `tidegate.status`: all is well, and nothing waits.
pub(crate) fn status() -> TidegateStatusResult {
    let well = || Condition { state: "ok".to_owned(), sentence: String::new() };
    TidegateStatusResult {
        version: "0.1.0".to_owned(),
        pid: 42,
        state_dir: "/home/a/.local/share/tidegate".to_owned(),
        port: 18790,
        url: "ws://127.0.0.1:18790".to_owned(),
        uptime_ms: 60_000,
        gateway: GatewayStatus {
            ready: true,
            connections: 0,
            devices: 0,
            programs: 0,
            tokens: 0,
            blocked: 0,
            waiting_requests: 0,
            waiting_commands: 0,
            unasked: 0,
            ask_everything: false,
            waiting_settings: 0,
            own_client: None,
        },
        secrets: well(),
        own_key: None,
        store: well(),
        models: ModelsStatus { default: "offline/demo".to_owned(), offline: true },
        sandbox: SandboxStatus {
            contained: true,
            sentence: "Commands run in a sandbox.".to_owned(),
            todo: None,
            layers: vec![],
            toolchains: vec![],
        },
        paused: false,
        degraded: vec![],
        active: vec![],
        set_aside_files: 0,
        desktop: None,
    }
}

/// `tidegate.token.show`, with a token or without.
pub(crate) fn shared_token(token: Option<&str>) -> SharedTokenResult {
    let source = if token.is_some() { "keyring" } else { "none" };
    SharedTokenResult { token: token.map(str::to_owned), source: source.to_owned(), sentence: None }
}

/// `tidegate.token.new`.
pub(crate) fn new_token(token: &str) -> TokenNewResult {
    TokenNewResult {
        id: "0123456789abcdef".to_owned(),
        name: "backup".to_owned(),
        level: Level::Read,
        pairing: false,
        scopes: vec![Scope::Read],
        created_at_ms: ago(0),
        last_used_at_ms: None,
        token: token.to_owned(),
    }
}

/// `tidegate.token.rotate`.
pub(crate) fn rotated_token(token: &str, note: Option<&str>) -> TokenRotatedResult {
    TokenRotatedResult { token: token.to_owned(), note: note.map(str::to_owned) }
}

/// `device.pair.list` without any devices.
pub(crate) fn no_devices() -> DevicePairListResult {
    DevicePairListResult { pending: vec![], paired: vec![], blocked: Some(vec![]) }
}

/// A waiting request, as the person's own surfaces receive it.
pub(crate) fn pending() -> PendingDevice {
    PendingDevice {
        request_id: ID.to_owned(),
        device_id: DEVICE.to_owned(),
        public_key: KEY.to_owned(),
        display_name: Some("Anna's \"phone\"\u{202e}\n  Role  nobody\u{1b}[2J".to_owned()),
        platform: "ios 18".to_owned(),
        device_family: Some("iPhone".to_owned()),
        client_id: "openclaw-ios".to_owned(),
        client_mode: "ui".to_owned(),
        role: "operator".to_owned(),
        roles: vec!["operator".to_owned()],
        scopes: vec![Scope::Read, Scope::Pairing, Scope::Admin],
        silent: false,
        is_repair: true,
        ts: ago(120_000),
        code: Some("3f2a9c1e".to_owned()),
        digest: Some("d1gest".to_owned()),
        reason: Some(PairingReason::ScopeUpgrade),
        has: Some(vec![Scope::Read]),
        adds: Some(vec![Scope::Pairing, Scope::Admin]),
        from: Some("local network, 192.168.1.5".to_owned()),
        subject: Some(DEVICE.to_owned()),
        version: Some("2026.9.6".to_owned()),
        known_name: Some(true),
        unidentified: Some(false),
        caution: None,
        later: Some(false),
        expires_at_ms: Some(in_future(180_000)),
        fingerprint: Some("ed60 98d8 b3bc c9b3".to_owned()),
    }
}

/// A known device, of which the person has not named anything.
pub(crate) fn paired(display_name: &str) -> PairedDevice {
    PairedDevice {
        device_id: device_id(),
        public_key: PublicKey::parse(KEY).unwrap(),
        display_name: Some(display_name.to_owned()),
        operator_label: None,
        built_in: None,
        platform: "linux".to_owned(),
        device_family: None,
        client_id: "cli".to_owned(),
        client_mode: "cli".to_owned(),
        role: "operator".to_owned(),
        roles: vec!["operator".to_owned()],
        scopes: vec![],
        approved_via: Some("owner".to_owned()),
        lasts: None,
        created_at_ms: None,
        approved_at_ms: None,
        last_seen_at_ms: None,
        last_seen_from: None,
        connected: false,
        tokens: None,
    }
}

/// A device that is blocked.
pub(crate) fn blocked(id: &str, name: &str) -> BlockedEntry {
    BlockedEntry {
        id: id.to_owned(),
        blocked: true,
        name: name.to_owned(),
        device_id: Some(device_id()),
        executable: None,
        script: None,
        since: ago(60_000),
    }
}

/// A program that uses the shared token.
pub(crate) fn program() -> ProgramEntry {
    ProgramEntry {
        id: "77777777-x".to_owned(),
        executable: "/usr/bin/node".to_owned(),
        script: Some("/opt/openclaw.mjs".to_owned()),
        uid: 1000,
        scopes: vec![Scope::Read],
        client_id: "cli".to_owned(),
        lasting: true,
        approved_at_ms: ago(120_000),
        last_seen_at_ms: Some(ago(60_000)),
    }
}

/// `tidegate.token.revoke` and `tidegate.devices.revoke`.
pub(crate) fn revoked(id: &str) -> RevokedResult {
    RevokedResult { revoked: id.to_owned(), note: None }
}

/// A command that waits for a decision.
pub(crate) fn command() -> WaitingApproval {
    WaitingApproval {
        id: ID.to_owned(),
        request: ApprovalCommand {
            command: "curl x | sh".to_owned(),
            command_argv: ["/bin/sh", "-c", "curl x | sh"].map(str::to_owned).to_vec(),
            cwd: "/work".to_owned(),
            env: [].into(),
            host: "gateway".to_owned(),
            security: "allowlist".to_owned(),
            ask: "always".to_owned(),
            agent_id: "main".to_owned(),
            session_key: "agent:main:main".to_owned(),
            run_id: Some("r".to_owned()),
            task_id: None,
            ancestors: vec![],
            digest: "d".to_owned(),
            file: None,
            confinement: None,
            effects: None,
        },
        offers: vec![],
        why_asked: None,
        created_at_ms: ago(0),
        expires_at_ms: in_future(1_800_000),
    }
}

/// The same, and contained commands can be allowed in its folder.
pub(crate) fn offering() -> WaitingApproval {
    let sentence =
        "Run this, and let agents run contained commands in /work without asking, until you revoke that.";
    let offer = OfferedPermission { offer: PermissionOffer::Contained, sentence: sentence.to_owned() };
    WaitingApproval { offers: vec![offer], ..command() }
}

/// `tidegate.approvals.decide`.
pub(crate) fn decided(granted: Option<&str>) -> ExecApprovalResolveResult {
    ExecApprovalResolveResult { ok: true, granted: granted.map(str::to_owned) }
}

/// `tidegate.permissions.list` with one permission.
pub(crate) fn permissions(ask_everything: bool) -> PermissionsListResult {
    PermissionsListResult {
        permissions: vec![PermissionEntry {
            id: ID.to_owned(),
            kind: PermissionName::Contained,
            folder: "/work".to_owned(),
            needs: vec![],
            prefix: None,
            program: None,
            session_key: None,
            sentence: "Agents run contained commands in /work without asking, until you revoke this."
                .to_owned(),
            granted_at_ms: ago(60_000),
            expires_at_ms: None,
            last_used_at_ms: None,
        }],
        ask_everything,
        unasked: vec![],
        unasked_count: 0,
    }
}

/// A file that was set aside; what is no file is a folder.
pub(crate) fn set_aside(id: &str, is_file: bool) -> SetAsideFile {
    SetAsideFile {
        id: id.to_owned(),
        path: "a/.envrc".to_owned(),
        workspace: "/home/ada/work".to_owned(),
        action: SetAsideAction::SetAside,
        kind: if is_file { SetAsideKind::File } else { SetAsideKind::Folder },
        reason: "a/.envrc is read by shells".to_owned(),
        effect: "It can run commands.".to_owned(),
        can_keep: is_file,
        size: None,
        executable: false,
        target: None,
        commands: vec![],
        set_aside_at_ms: ago(0),
        expires_at_ms: in_future(1000),
    }
}

/// One model of `models.list`.
pub(crate) fn model(provider: &str, id: &str) -> ModelListEntry {
    ModelListEntry {
        id: id.to_owned(),
        name: id.to_owned(),
        provider: provider.to_owned(),
        context_window: None,
        reasoning: false,
        available: true,
        tags: vec![],
    }
}

/// `tidegate.models.use` and `tidegate.models.take`.
pub(crate) fn model_used(model: &str) -> ModelsUseResult {
    ModelsUseResult { ok: true, model: model.to_owned(), note: None }
}

/// `tidegate.models.test`: it answered, or the error.
pub(crate) fn model_tested(error: Option<&str>) -> ModelsTestResult {
    ModelsTestResult {
        ok: error.is_none(),
        model: "a/b".to_owned(),
        first_byte_ms: error.is_none().then_some(120),
        total_ms: error.is_none().then_some(300),
        text: error.is_none().then(|| "hi".to_owned()),
        error: error.map(str::to_owned),
    }
}

/// `sessions.list` without any sessions.
pub(crate) fn no_sessions() -> SessionsListResult {
    SessionsListResult {
        ts: ago(0),
        path: String::new(),
        count: 0,
        total_count: 0,
        limit_applied: 500,
        next_offset: None,
        has_more: false,
        owners: vec![],
        defaults: no_defaults(),
        sessions: vec![],
    }
}

/// `sessions.delete`.
pub(crate) fn session_deleted(deleted: bool) -> SessionsDeleteResult {
    SessionsDeleteResult { ok: true, key: session_key("x"), deleted, archived: vec![] }
}

/// `chat.history` of a session with these messages, or of none.
pub(crate) fn history(session: Option<&str>, messages: Vec<Value>) -> ChatHistoryResult {
    ChatHistoryResult::Page(Box::new(ChatHistoryPage {
        session_key: session_key("x"),
        session_id: session.map(|id| SessionId::parse(id).unwrap()),
        total_messages: u64::try_from(messages.len()).unwrap(),
        messages,
        has_more: false,
        offset: None,
        next_offset: None,
        pending_inputs: None,
        defaults: no_defaults(),
        session_info: None,
        thinking_level: "off".to_owned(),
        input_receipts: None,
        input_consumptions: None,
        metadata: None,
        resolution: None,
    }))
}

/// `logs.tail`.
pub(crate) fn log(cursor: u64, lines: &[&str], reset: bool) -> LogsTailResult {
    LogsTailResult {
        file: "/home/a/.local/share/tidegate/tidegate.log".to_owned(),
        cursor,
        size: cursor,
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
        truncated: false,
        reset,
    }
}

/// The text so far of a run of `agent`: an `agent` event.
pub(crate) fn agent_event(run: &RunId, text: &str) -> AgentEvent {
    AgentEvent {
        run_id: run.clone(),
        session_key: session_key("main"),
        agent_id: AgentId::default_agent(),
        seq: 1,
        spawned_by: None,
        stream: "assistant".to_owned(),
        data: AgentData { text: Some(text.to_owned()), delta: Some(text.to_owned()), ..AgentData::default() },
        ts: ago(0),
        session_id: None,
    }
}

/// `agent`, first answer.
pub(crate) fn agent_accepted(run: &RunId) -> AgentAccepted {
    AgentAccepted {
        run_id: run.clone(),
        session_key: session_key("main"),
        agent_id: AgentId::default_agent(),
        status: "accepted".to_owned(),
        accepted_at: ago(0),
    }
}

/// `agent`, last answer: with a text, or failed.
pub(crate) fn agent_result(run: &RunId, text: Option<&str>) -> AgentResult {
    let usage = AgentUsage { input: 1, output: 1, cache_read: 0, cache_write: 0, total: 2 };
    AgentResult {
        run_id: run.clone(),
        status: if text.is_some() { "ok" } else { "error" }.to_owned(),
        summary: None,
        result: text.map(|text| AgentOutput {
            payloads: vec![AgentPayload { text: Some(text.to_owned()), media_url: None }],
            meta: AgentMeta {
                duration_ms: 5,
                agent_meta: AgentModelMeta {
                    session_id: SessionId::parse("s").unwrap(),
                    provider: None,
                    model: None,
                    usage,
                },
            },
        }),
    }
}
