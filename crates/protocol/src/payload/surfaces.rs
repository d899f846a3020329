//! What the person's own surfaces receive: command line and windows. Not part of OpenClaw's
//! protocol.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::approvals::WaitingApproval;
use super::devices::{BlockedEntry, PairedDevice, PendingDevice};
use super::surface_params::Level;
use crate::audit::{AuditKind, Severity};
use crate::confinement::CommandClass;
use crate::{DeviceId, RunId, Scope, SessionKey, UnixMillis};

words! {
    /// Whether a part of the desktop does what it should.
    SurfaceState {
        Unknown = "unknown",
        Ok = "ok",
        Missing = "missing",
    }
    /// What a run does now.
    RunActivity {
        /// It waits for its session, a free place, or the end of a pause.
        Queued = "queued",
        /// A model or a tool works for it.
        Working = "working",
        /// It waits for subagents or a person, and takes no place.
        Waiting = "waiting",
    }
    /// How a check went.
    CheckLevel {
        Ok = "ok",
        Warn = "warn",
        Fail = "fail",
    }
}

/// `tidegate.devices.show`: a waiting request, a device, a program, or a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ShownEntry {
    Request(Box<PendingDevice>),
    Device(Box<PairedDevice>),
    Program(ProgramEntry),
    Block(BlockedEntry),
}

objects! {
    /// A state with words for it.
    Condition {
        state: String,
        sentence: String,
    }
    /// Our own client.
    OwnClient {
        device_id: DeviceId,
        #[serialize_always] admitted_at_ms: Option<UnixMillis>,
    }
    /// The gateway in numbers.
    GatewayStatus {
        ready: bool,
        connections: u64,
        devices: u64,
        programs: u64,
        tokens: u64,
        blocked: u64,
        waiting_requests: u64,
        waiting_commands: u64,
        /// How many commands nobody was asked about since Tidegate started.
        unasked: u64,
        /// Whether a person is asked about everything, whatever is allowed.
        ask_everything: bool,
        /// Values of the configuration file that wait for the person.
        waiting_settings: u64,
        #[serialize_always] own_client: Option<OwnClient>,
    }
    /// The model that is used when nobody chooses.
    ModelsStatus {
        /// `provider/model`.
        default: String,
        /// Whether it is the built-in demo without intelligence.
        offline: bool,
    }
    /// Whether commands of agents run in a sandbox, as a trial on this computer found.
    SandboxStatus {
        /// Whether every layer that a sandbox needs holds.
        contained: bool,
        sentence: String,
        /// What to do where it is not.
        #[serialize_always] todo: Option<String>,
        layers: Vec<SandboxLayer>,
        /// Folders of toolchains that every sandbox can read.
        toolchains: Vec<String>,
    }
    /// A layer of the sandbox.
    SandboxLayer {
        name: String,
        /// Whether there is no sandbox without it.
        required: bool,
        holds: bool,
        /// What was seen where it does not hold.
        #[serialize_always] reason: Option<String>,
    }
    /// A run that works or waits.
    ActiveRun {
        run_id: RunId,
        session_key: SessionKey,
        #[serialize_always] parent: Option<RunId>,
        #[serialize_always] label: Option<String>,
        since: UnixMillis,
        activity: RunActivity,
    }
    /// One part of the desktop.
    DesktopSurface {
        state: SurfaceState,
        /// Why it is missing and what to do; empty otherwise.
        sentence: String,
    }
    /// What a desktop's shell says of itself.
    DesktopStatus {
        tray: DesktopSurface,
        notifications: DesktopSurface,
        /// Whether Tidegate starts at login.
        autostart: bool,
    }
    /// `tidegate.status`.
    TidegateStatusResult {
        version: String,
        pid: u32,
        state_dir: String,
        port: u16,
        url: String,
        uptime_ms: u64,
        gateway: GatewayStatus,
        secrets: Condition,
        /// Whether our own key is the keyring's, in a sentence.
        #[serialize_always] own_key: Option<String>,
        store: Condition,
        models: ModelsStatus,
        sandbox: SandboxStatus,
        paused: bool,
        /// What does not work as it should, in sentences.
        degraded: Vec<String>,
        active: Vec<ActiveRun>,
        /// Files that agents' commands planted and that wait for the person.
        set_aside_files: u64,
        /// Only beside a desktop.
        desktop: Option<DesktopStatus>,
    }
    /// A check of `tidegate doctor`.
    DoctorCheck {
        name: String,
        ok: bool,
        level: CheckLevel,
        sentence: String,
        #[serialize_always] todo: Option<String>,
    }
    /// `tidegate.doctor`.
    DoctorResult {
        checks: Vec<DoctorCheck>,
    }
    /// `tidegate.devices.waiting`, oldest first.
    WaitingResult {
        requests: Vec<PendingDevice>,
        commands: Vec<WaitingApproval>,
        settings: Vec<SettingEntry>,
    }
    /// A value of the configuration file that opens Tidegate to others.
    SettingEntry {
        /// The first 16 digits of its digest.
        id: String,
        /// Where it stands in the file.
        key: String,
        /// `waiting`, `confirmed` or `rejected`.
        state: String,
        /// What the file proposes.
        value: Vec<String>,
        /// What counts now.
        present: Vec<String>,
        /// What it opens, in words.
        opens: String,
        /// Of exactly this value: a decision names it.
        digest: String,
        /// Since when this process knows it.
        since_ms: UnixMillis,
    }
    /// A value of the configuration file that never counts.
    RefusedValue {
        key: String,
        reason: String,
    }
    /// `tidegate.config.list`.
    ConfigListResult {
        path: String,
        settings: Vec<SettingEntry>,
        refused: Vec<RefusedValue>,
    }
    /// `tidegate.config.confirm` and `tidegate.config.reject`.
    SettingDecidedResult {
        key: String,
        /// `confirmed` or `rejected`.
        state: String,
        note: Option<String>,
    }
    /// `tidegate.dialog.open`.
    DialogOpenResult {
        opened: bool,
    }
    /// `tidegate.connect`: lines for a shell.
    ConnectLinesResult {
        url: String,
        /// The variable that the lines take the token from.
        variable: String,
        lines: Vec<String>,
        once: Vec<String>,
    }
    /// A program's token, without the token.
    ProgramTokenEntry {
        id: String,
        name: String,
        level: Level,
        pairing: bool,
        scopes: Vec<Scope>,
        created_at_ms: UnixMillis,
        #[serialize_always] last_used_at_ms: Option<UnixMillis>,
    }
    /// A program that was let in.
    ProgramEntry {
        id: String,
        executable: String,
        #[serialize_always] script: Option<String>,
        uid: u32,
        scopes: Vec<Scope>,
        client_id: String,
        lasting: bool,
        approved_at_ms: UnixMillis,
        #[serialize_always] last_seen_at_ms: Option<UnixMillis>,
    }
    /// `tidegate.token.list`.
    TokenListResult {
        shared_token: bool,
        tokens: Vec<ProgramTokenEntry>,
        programs: Vec<ProgramEntry>,
    }
    /// One entry of the audit log.
    AuditEntry {
        at: UnixMillis,
        kind: AuditKind,
        severity: Severity,
        /// Whom it is about.
        subject: String,
        /// What happened, for the person.
        sentence: String,
        /// The line of the log.
        line: String,
    }
    /// `tidegate.audit`.
    AuditResult {
        events: Vec<AuditEntry>,
    }
    /// A command of an agent that runs now.
    RunningCommandEntry {
        run_id: RunId,
        session_key: SessionKey,
        tool_call_id: String,
        /// The command on one line, cut when it is long.
        command: String,
        class: CommandClass,
        /// Whether it has a terminal.
        pty: bool,
        since_ms: UnixMillis,
        /// How often a person has interrupted it.
        interrupts: u32,
    }
    /// `tidegate.commands.list`, oldest first.
    RunningCommandsResult {
        commands: Vec<RunningCommandEntry>,
    }
    /// `tidegate.commands.interrupt`.
    InterruptedResult {
        run_id: RunId,
        tool_call_id: String,
        /// How often a person has interrupted it, this time included.
        interrupts: u32,
    }
    /// `tidegate.pause` and `tidegate.resume`.
    PausedResult {
        paused: bool,
    }
    /// `tidegate.token.show`.
    SharedTokenResult {
        token: Option<String>,
        /// `keyring`, `environment` or `none`.
        source: String,
        /// Why there is no token.
        sentence: Option<String>,
    }
    /// `tidegate.token.rotate`: the token is shown once.
    TokenRotatedResult {
        token: String,
        /// Why it holds only until restart, if so.
        note: Option<String>,
    }
    /// `tidegate.stop`.
    StoppingResult {
        stopping: bool,
    }
    /// One step of a self-test.
    SelfTestStep {
        name: String,
        ok: bool,
        ms: u64,
        sentence: String,
    }
    /// `tidegate.selftest`.
    SelfTestResult {
        ok: bool,
        steps: Vec<SelfTestStep>,
    }
    /// `tidegate.models.add`.
    ModelsAddResult {
        ok: bool,
        #[serialize_always] note: Option<String>,
    }
    /// `tidegate.models.use` and `tidegate.models.take`.
    ModelsUseResult {
        ok: bool,
        model: String,
        /// Who runs the server, where it was found on this computer.
        #[serialize_always] note: Option<String>,
    }
    /// A model server that was found on this computer, as a person is asked about it: `server` in the
    /// details of the error with which `tidegate.models.use` refuses one that is not in use.
    FoundServer {
        /// `provider/model`.
        model: String,
        /// Program, process and user, in one line.
        owner: String,
        /// Whose user that is, in words.
        user: String,
        /// Address and port.
        address: String,
    }
    /// `tidegate.models.test`.
    ModelsTestResult (ok: bool, model: String) {
        first_byte_ms: Option<u64>,
        total_ms: Option<u64>,
        text: Option<String>,
        error: Option<String>,
    }
    /// `tidegate.token.revoke` and `tidegate.devices.revoke`.
    RevokedResult {
        revoked: String,
        /// Why it holds only until restart, if so.
        note: Option<String>,
    }
    /// `tidegate.devices.block`.
    BlockedResult {
        blocked: String,
        note: Option<String>,
    }
    /// `tidegate.devices.unblock`.
    UnblockedResult {
        unblocked: String,
        note: Option<String>,
    }
    /// `tidegate.token.new`: the token is shown once.
    TokenNewResult {
        id: String,
        name: String,
        level: Level,
        pairing: bool,
        scopes: Vec<Scope>,
        created_at_ms: UnixMillis,
        #[serialize_always] last_used_at_ms: Option<UnixMillis>,
        token: String,
    }
    /// `tidegate.devices.decide`.
    DecidedResult {
        request_id: String,
        subject: String,
        approved: bool,
    }
}
