/**
 * What the gateway and this window say to each other: the payloads that the pages read, as
 * `crates/gateway/src/methods` and `crates/host/src/control.rs` make them. Fields that no page
 * reads are left out; unknown fields are ignored.
 *
 * Every text in a payload may come from outside (a device's name, a model's answer, a file name).
 * It is shown as text, or as Markdown that `lib/markdown.ts` has read; never as HTML.
 */

/** Milliseconds since 1970. */
export type UnixMillis = number;

export interface ErrorShape {
  code: string;
  message: string;
  details?: unknown;
  retryable?: boolean;
  retryAfterMs?: number;
}

/** One part of the desktop, as the shell describes it (`src-tauri/src/driver.rs`). */
export interface Surface {
  state: 'unknown' | 'ok' | 'missing';
  /** Why it is missing and what to do; empty otherwise. */
  sentence: string;
}

export interface ActiveRun {
  runId: string;
  sessionKey: string;
  parent: string | null;
  label: string | null;
  since: UnixMillis;
  activity: 'queued' | 'working' | 'waiting';
}

export interface Status {
  version: string;
  pid: number;
  stateDir: string;
  port: number;
  url: string;
  uptimeMs: number;
  gateway: {
    ready: boolean;
    connections: number;
    devices: number;
    programs: number;
    tokens: number;
    blocked: number;
    waitingRequests: number;
    waitingCommands: number;
  };
  secrets: { state: string; sentence: string };
  ownKey?: string | null;
  store: { state: string; sentence: string };
  models: { default: string; offline: boolean };
  paused: boolean;
  active: ActiveRun[];
  /** Only beside a desktop. */
  desktop?: { tray: Surface; notifications: Surface; autostart: boolean } | null;
}

export interface Check {
  name: string;
  ok: boolean;
  level: 'ok' | 'warn' | 'fail';
  sentence: string;
  todo: string | null;
}

export interface ConnectLines {
  url: string;
  /** The shell's variable that the lines take the token from. */
  variable: string;
  /** Lines for a shell that write the gateway into OpenClaw's configuration, in order. */
  lines: string[];
  /** Lines that name the gateway for one command each. */
  once: string[];
}

export interface ModelEntry {
  id: string;
  name: string;
  provider: string;
  contextWindow: number | null;
  available: boolean;
  tags: string[];
}

export interface ModelTest {
  ok: boolean;
  model: string;
  firstByteMs?: number;
  totalMs?: number;
  text?: string;
  error?: string;
}

/** A device or program that asks to be let in. */
export interface PairingRequest {
  requestId: string;
  /** What the client shows too. */
  code?: string;
  deviceId: string;
  displayName?: string;
  platform?: string;
  deviceFamily?: string;
  clientId?: string;
  clientMode?: string;
  version?: string | null;
  role: string;
  scopes: string[];
  has?: string[];
  adds?: string[];
  reason?: string;
  from?: string;
  subject?: string;
  knownName?: boolean;
  caution?: string | null;
  later?: boolean;
  ts: UnixMillis;
  expiresAtMs?: UnixMillis;
  fingerprint?: string | null;
}

/** A command that an agent wants to run. */
export interface WaitingCommand {
  id: string;
  request: {
    command: string;
    commandArgv: string[];
    cwd: string;
    env: Record<string, string>;
    sessionKey: string;
    runId: string | null;
    ancestors: string[];
    digest: string;
  };
  createdAtMs: UnixMillis;
  expiresAtMs: UnixMillis;
}

export interface Waiting {
  requests: PairingRequest[];
  commands: WaitingCommand[];
}

export interface PairedDevice {
  deviceId: string;
  displayName?: string;
  operatorLabel?: string;
  builtIn?: boolean;
  platform?: string;
  deviceFamily?: string;
  clientId?: string;
  clientMode?: string;
  role?: string;
  scopes: string[];
  lasts?: 'always' | 'until-quit' | 'once';
  createdAtMs?: UnixMillis;
  approvedAtMs?: UnixMillis;
  lastSeenAtMs?: UnixMillis;
  lastSeenFrom?: string;
  connected: boolean;
}

/** A device or program that is refused without a question. */
export interface Blocked {
  id: string;
  name: string | null;
  deviceId: string | null;
  executable: string | null;
  script: string | null;
  since: UnixMillis;
}

export interface PairingList {
  paired: PairedDevice[];
  blocked?: Blocked[];
}

export interface ProgramToken {
  id: string;
  name: string;
  level: 'read' | 'write' | 'full';
  pairing: boolean;
  scopes: string[];
  createdAtMs: UnixMillis;
  lastUsedAtMs: UnixMillis | null;
}

export interface ProgramGrant {
  id: string;
  executable: string;
  script: string | null;
  uid: number;
  scopes: string[];
  clientId: string | null;
  lasting: boolean;
  approvedAtMs: UnixMillis;
  lastSeenAtMs: UnixMillis | null;
}

export interface TokenList {
  sharedToken: boolean;
  tokens: ProgramToken[];
  programs: ProgramGrant[];
}

export interface AuditEvent {
  at: UnixMillis;
  kind: string;
  weight: 'info' | 'warn' | 'alarm';
  subject: string;
  line: string;
}

export interface SessionRow {
  key: string;
  sessionId?: string;
  label?: string;
  displayName?: string;
  spawnedBy?: string;
  parentSessionKey?: string;
  spawnDepth?: number;
  createdAt?: UnixMillis;
  updatedAt: UnixMillis;
  startedAt?: UnixMillis;
  endedAt?: UnixMillis;
  runtimeMs?: number;
  status?: 'running' | 'done' | 'failed' | 'timeout' | 'killed';
  lastRunId?: string;
  inputTokens?: number;
  outputTokens?: number;
  totalTokens?: number;
  modelProvider?: string;
  model?: string;
  lastMessagePreview?: string | null;
}

export type ContentBlock =
  | { type: 'text'; text: string }
  | { type: 'toolCall'; id: string; name: string; arguments: unknown }
  | { type: string };

export interface TranscriptMessage {
  role: 'user' | 'assistant' | 'toolResult' | 'system' | (string & {});
  content: string | ContentBlock[];
  timestamp?: UnixMillis;
  toolCallId?: string;
  toolName?: string;
  isError?: boolean;
  stopReason?: string;
  errorMessage?: string;
  provider?: string;
  model?: string;
  /** On `system`: what the runtime tells, for example a subagent's end. */
  source?: { kind?: string; label?: string | null; runId?: string; sessionKey?: string; status?: string };
  __openclaw?: { id: string; seq: number; runId?: string | null };
}

export interface ChatHistory {
  sessionKey: string;
  /** Changes when the session is reset. */
  sessionId?: string;
  sessionInfo?: SessionRow;
  messages: TranscriptMessage[];
  hasMore: boolean;
  totalMessages: number;
}

export interface ChatEvent {
  runId: string;
  sessionKey: string;
  state: 'delta' | 'final' | 'aborted' | 'error';
  message?: { role: string; content: ContentBlock[]; timestamp?: UnixMillis };
  errorMessage?: string;
  errorKind?: string;
  spawnedBy?: string;
}

/** A step of a run; `session.tool` and the `agent` event's stream `tool` carry the same. */
export interface ToolEvent {
  runId: string;
  sessionKey: string;
  stream: string;
  data: {
    phase?: string;
    name?: string;
    toolCallId?: string;
    args?: unknown;
    isError?: boolean;
    result?: { content?: ContentBlock[] };
  };
}

export interface SessionMessageEvent {
  sessionKey: string;
  message: TranscriptMessage;
}

export interface SessionsChangedEvent {
  sessionKey: string;
  reason?: string;
  phase?: string;
  runId?: string;
  session?: SessionRow;
}

export interface AgentAccepted {
  runId: string;
  status: 'accepted';
}

export interface AgentResult {
  runId: string;
  status: 'ok' | 'error';
  summary?: string;
  result?: { payloads: { text: string | null }[] };
}

type None = Record<string, never>;
interface ById {
  id: string;
}
/** Some answers say in `note` that a change holds only until restart. */
interface Noted {
  note?: string;
}
/** A dialog was opened; it decides, not this window. */
interface Opened {
  opened: boolean;
}

/** The methods that the pages call. */
export interface Methods {
  health: { params: None; result: { ok: boolean } };
  'tidegate.status': { params: None; result: Status };
  'tidegate.doctor': { params: None; result: { checks: Check[] } };
  'tidegate.connect': { params: None; result: ConnectLines };
  'tidegate.devices.waiting': { params: None; result: Waiting };
  'tidegate.token.list': { params: None; result: TokenList };
  'tidegate.audit': { params: { limit?: number }; result: { events: AuditEvent[] } };
  'tidegate.pause': { params: None; result: { paused: boolean } };
  'tidegate.resume': { params: None; result: { paused: boolean } };
  'tidegate.models.use': { params: { model: string }; result: { ok: boolean; model: string } };
  'tidegate.models.test': { params: { model?: string }; result: ModelTest };
  'tidegate.review': { params: { id?: string }; result: Opened };
  'tidegate.token.wish': { params: { name?: string; level?: string; pairing?: boolean }; result: Opened };
  'tidegate.models.wish': { params: { id?: string; baseUrl?: string }; result: Opened };
  'tidegate.token.revoke': { params: ById; result: Noted };
  'tidegate.devices.revoke': { params: ById; result: Noted };
  'tidegate.devices.block': { params: ById; result: Noted };
  /** Refused in a window; where a desktop runs, its dialog opens instead. */
  'tidegate.devices.unblock': { params: ById; result: Noted };
  'device.pair.list': { params: None; result: PairingList };
  'device.pair.reject': { params: { requestId: string }; result: Noted };
  'exec.approval.resolve': { params: { id: string; decision: 'deny' }; result: { ok: boolean } };
  'models.list': { params: { view?: string }; result: { models: ModelEntry[] } };
  'sessions.list': {
    params: { limit?: number; includeLastMessage?: boolean };
    result: { sessions: SessionRow[]; hasMore: boolean; totalCount: number };
  };
  'sessions.subscribe': { params: None; result: { subscribed: boolean } };
  'chat.history': { params: { sessionKey: string; limit?: number }; result: ChatHistory };
  'chat.send': {
    params: { sessionKey: string; message: string; idempotencyKey: string };
    result: { runId: string; status: string; summary?: string | null };
  };
  'chat.abort': { params: { sessionKey: string; runId?: string }; result: { aborted: boolean } };
  agent: {
    params: { message: string; sessionKey?: string; idempotencyKey: string };
    result: AgentResult;
  };
}

/** The events that the pages read. */
export interface Events {
  'tidegate.welcome': { version: string; desktop: boolean };
  'tidegate.refused': { reason: string };
  'tidegate.changed': None;
  shutdown: { reason?: string };
  tick: { ts: UnixMillis };
  agent: ToolEvent;
  chat: ChatEvent;
  'session.message': SessionMessageEvent;
  'session.tool': ToolEvent;
  'sessions.changed': SessionsChangedEvent;
  'device.pair.requested': unknown;
  'device.pair.resolved': unknown;
  'exec.approval.requested': unknown;
  'exec.approval.resolved': unknown;
}
