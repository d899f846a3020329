/* Generated from schemas/protocol.json; `npm run types` writes it. */

/**
 * An agent's id: lower-case letters, digits, `_` and `-`.
 */
export type AgentId = string;
/**
 * The id of a run. A client's idempotency key doubles as it.
 */
export type RunId = string;
/**
 * The key of a session, in its canonical form `agent:<agent>:<rest>`.
 *
 * Clients may write `main` for the default agent's main session; parsing makes it canonical.
 */
export type SessionKey = string;
/**
 * The identity of one transcript. A session key points to its current one.
 */
export type SessionId = string;
/**
 * Milliseconds since the Unix epoch, as every `ts` and `...AtMs` field of the protocol.
 */
export type UnixMillis = number;
/**
 * For methods without parameters.
 */
export type Empty = Record<string, never>;
/**
 * `chat.history`.
 */
export type ChatHistoryResult = ChatHistoryPage | ChatHistoryReset;
/**
 * One piece of a message.
 */
export type ContentBlock =
  | {
      text: string;
      type: 'text';
    }
  | {
      arguments: unknown;
      id: string;
      name: string;
      type: 'toolCall';
    };
/**
 * Who wrote a message.
 */
export type MessageRole = 'user' | 'assistant' | 'toolResult' | 'system';
/**
 * The state of a session's newest run.
 */
export type SessionStatus = 'running' | 'done' | 'failed' | 'killed' | 'timeout';
/**
 * The one kind of [`ChatHistoryReset`].
 */
export type Reset = 'reset';
/**
 * `chat.startup`.
 */
export type ChatStartupResult = ChatHistoryPage | ChatHistoryReset | ChatStartupUnresolved;
/**
 * Where a command can be given: in a message, or by what a channel offers beside messages.
 */
export type CommandScope = 'text' | 'native' | 'both';
/**
 * What was approved.
 */
export type ApprovedSubject = PairedDevice | ApprovedProgram;
/**
 * A device's id: SHA-256 of its public key, 64 lower-case hexadecimal digits.
 */
export type DeviceId = string;
/**
 * How long a grant lasts.
 */
export type GrantLifetime = 'always' | 'until-quit' | 'once';
/**
 * An ed25519 public key: 32 bytes. Whether they are a point of the curve is decided when a
 * signature is verified.
 */
export type PublicKey = string;
/**
 * A right of a session, by the protocol's name for it.
 */
export type Scope = string;
/**
 * Why a device must be paired.
 */
export type PairingReason =
  'not-paired' | 'role-upgrade' | 'scope-upgrade' | 'metadata-upgrade' | 'unidentified';
/**
 * What a person can give with an approval, beyond allowing it once. Each request says which of them it
 * offers; nothing else can be given.
 */
export type PermissionOffer =
  | {
      kind: 'task';
    }
  | {
      kind: 'contained';
    }
  | {
      kind: 'needs';
    }
  | {
      kind: 'rule';
      words: number;
    }
  | {
      kind: 'readBelow';
    };
export type Need = string;
/**
 * What would be done with a file.
 */
export type FileAction = 'read' | 'write' | 'edit';
/**
 * A decision about a command.
 */
export type ApprovalDecision = 'allow-once' | 'allow-always' | 'deny';
/**
 * Which models are listed.
 */
export type ModelsView = 'default' | 'configured' | 'provider-config' | 'all';
/**
 * Whether a model works faster for more money; `auto` leaves it to the gateway.
 */
export type FastMode = boolean | AutoWord;
/**
 * The word `auto`.
 */
export type AutoWord = 'auto';
/**
 * Which sessions `sessions.list` lists: `true` for archived ones only, and `"all"` for archived ones, too.
 */
export type ArchivedFilter = boolean | AllSessions;
/**
 * The word `all`.
 */
export type AllSessions = 'all';
/**
 * How a session is shown by clients that have more than chats.
 */
export type BoardFace = 'chat' | 'dashboard';
/**
 * `sessions.resolve`.
 */
export type SessionsResolveResult = SessionResolved | SessionsUnresolved;
/**
 * One status of tasks, or several.
 */
export type TaskStatuses = string | string[];
/**
 * A decision of a person about a waiting command or file.
 */
export type ApprovalVerdict =
  | {
      decision: 'allowOnce';
    }
  | {
      decision: 'permit';
      offer: PermissionOffer;
    }
  | {
      decision: 'deny';
      /**
       * Whether the run that asked is stopped, with what it started.
       */
      stop?: boolean;
      /**
       * What the model reads beside that; 500 characters at most.
       */
      words?: string | null;
    };
/**
 * The kind of an entry in the audit log, `subject.verb`.
 */
export type AuditKind = string;
/**
 * How much an entry of the audit log matters.
 */
export type Severity = 'info' | 'warn' | 'alarm';
/**
 * How far a command is confined.
 */
export type CommandClass = 'contained' | 'partial' | 'unconfined';
/**
 * How much a person lets a client do, when they choose by level instead of scope by scope.
 * `operator.pairing` is part of no level.
 */
export type Level = 'read' | 'write' | 'full';
/**
 * What is decided.
 */
export type VerdictName = 'approve' | 'reject' | 'later' | 'block';
/**
 * `tidegate.devices.show`: a waiting request, a device, a program, or a block.
 */
export type ShownEntry = PendingDevice | PairedDevice | ProgramEntry | BlockedEntry;
/**
 * `tidegate.dialog.open`: the dialog that a surface requests, and what it begins with.
 */
export type DialogOpen =
  | {
      /**
       * Its id, or at least the first 8 characters of it; the oldest without one.
       */
      id?: string | null;
      kind: 'review';
    }
  | {
      kind: 'newToken';
      /**
       * The level to begin with: `read` without one.
       */
      level?: Level | null;
      /**
       * The name to begin with.
       */
      name?: string;
      /**
       * Whether it may manage pairing.
       */
      pairing?: boolean;
    }
  | {
      /**
       * The base URL to begin with.
       */
      baseUrl?: string;
      /**
       * The server's id to begin with.
       */
      id?: string;
      kind: 'modelKey';
    }
  | {
      key: SessionKey;
      kind: 'workspace';
    };
/**
 * How a check went.
 */
export type CheckLevel = 'ok' | 'warn' | 'fail';
/**
 * What became of the place.
 */
export type SetAsideAction = 'set-aside' | 'plain-part-kept' | 'restored';
/**
 * What was set aside.
 */
export type SetAsideKind = ('file' | 'link' | 'folder') | 'other';
/**
 * What kind of permission one is.
 */
export type PermissionName = 'contained' | 'rule' | 'needs' | 'task' | 'read';
/**
 * What a run does now.
 */
export type RunActivity = 'queued' | 'working' | 'waiting';
/**
 * Whether a part of the desktop does what it should.
 */
export type SurfaceState = 'unknown' | 'ok' | 'missing';
/**
 * How far a chat turn is.
 */
export type ChatState = 'delta' | 'final' | 'aborted' | 'error';
/**
 * `tidegate.changed`: something that the person's windows show is different now.
 */
export type ChangedEvent = Record<string, never>;

/**
 * Everything that a window and the gateway say to each other.
 */
export interface Protocol {
  methods: Methods;
  events: Events;
  error: ErrorShape;
}
/**
 * What a window may ask: every method but those that administer.
 */
export interface Methods {
  agent: {
    params: Agent;
    result: AgentResult;
  };
  'agent.identity.get': {
    params: AgentIdentity;
    result: AgentIdentityResult;
  };
  'agent.wait': {
    params: AgentWait;
    result: AgentWaitResult;
  };
  'agents.list': {
    params: Empty;
    result: AgentsListResult;
  };
  'channels.status': {
    params: ChannelsStatus;
    result: ChannelsStatusResult;
  };
  'chat.abort': {
    params: ChatAbort;
    result: ChatAbortResult;
  };
  'chat.history': {
    params: ChatHistory;
    result: ChatHistoryResult;
  };
  'chat.message.get': {
    params: ChatMessageGet;
    result: ChatMessageGetResult;
  };
  'chat.metadata': {
    params: ChatMetadata;
    result: ChatMetadataResult;
  };
  'chat.send': {
    params: ChatSend;
    result: ChatSendResult;
  };
  'chat.startup': {
    params: ChatStartup;
    result: ChatStartupResult;
  };
  'commands.list': {
    params: CommandsList;
    result: CommandsListResult;
  };
  'config.get': {
    params: Empty;
    result: ConfigGetResult;
  };
  'cron.list': {
    params: CronList;
    result: CronListResult;
  };
  'cron.runs': {
    params: CronRuns;
    result: CronRunsResult;
  };
  'cron.status': {
    params: Empty;
    result: CronStatusResult;
  };
  'device.pair.approve': {
    params: RequestId;
    result: DevicePairApproveResult;
  };
  'device.pair.list': {
    params: Empty;
    result: DevicePairListResult;
  };
  'device.pair.reject': {
    params: RequestId;
    result: DevicePairRejectResult;
  };
  'device.pair.remove': {
    params: Device;
    result: DevicePairRemoveResult;
  };
  'device.token.revoke': {
    params: TokenRevoke;
    result: DeviceTokenRevokeResult;
  };
  'exec.approval.list': {
    params: Empty;
    result: WaitingApproval[];
  };
  'exec.approval.resolve': {
    params: ExecApprovalResolve;
    result: ExecApprovalResolveResult;
  };
  'exec.approval.waitDecision': {
    params: ExecApprovalWait;
    result: ExecApprovalWaitResult;
  };
  'exec.approvals.get': {
    params: Empty;
    result: ExecApprovalsGetResult;
  };
  health: {
    params: Health;
    result: HealthResult;
  };
  'last-heartbeat': {
    params: Empty;
    result: null;
  };
  'logs.tail': {
    params: LogsTail;
    result: LogsTailResult;
  };
  'models.authStatus': {
    params: ModelsAuthStatus;
    result: ModelsAuthStatusResult;
  };
  'models.list': {
    params: ModelsList;
    result: ModelsListResult;
  };
  'node.list': {
    params: Empty;
    result: NodeListResult;
  };
  'node.pair.list': {
    params: Empty;
    result: NodePairListResult;
  };
  'openclaw.approval.list': {
    params: Empty;
    result: unknown[];
  };
  'plugin.approval.list': {
    params: Empty;
    result: unknown[];
  };
  'plugins.list': {
    params: Empty;
    result: PluginsListResult;
  };
  'progressCard.get': {
    params: OfSession;
    result: ProgressCardResult;
  };
  'question.list': {
    params: Empty;
    result: QuestionListResult;
  };
  'sessions.abort': {
    params: SessionsAbort;
    result: SessionsAbortResult;
  };
  'sessions.branches.list': {
    params: OfSession;
    result: BranchesListResult;
  };
  'sessions.companion.state': {
    params: OfSession;
    result: CompanionStateResult;
  };
  'sessions.create': {
    params: SessionsCreate;
    result: SessionsCreateResult;
  };
  'sessions.describe': {
    params: SessionsDescribe;
    result: SessionsDescribeResult;
  };
  'sessions.get': {
    params: SessionsGet;
    result: SessionsGetResult;
  };
  'sessions.list': {
    params: SessionsList;
    result: SessionsListResult;
  };
  'sessions.messages.subscribe': {
    params: SessionsMessagesSubscribe;
    result: Subscribed;
  };
  'sessions.messages.unsubscribe': {
    params: SessionsMessagesUnsubscribe;
    result: Subscribed;
  };
  'sessions.observer.visibility': {
    params: ObserverVisibility;
    result: Done;
  };
  'sessions.preview': {
    params: SessionsPreview;
    result: SessionsPreviewResult;
  };
  'sessions.resolve': {
    params: SessionsResolve;
    result: SessionsResolveResult;
  };
  'sessions.subscribe': {
    params: Empty;
    result: Subscribed;
  };
  'skills.status': {
    params: SkillsStatus;
    result: SkillsStatusResult;
  };
  status: {
    params: Empty;
    result: StatusResult;
  };
  'system-presence': {
    params: Empty;
    result: PresenceEntry[];
  };
  'taskSuggestions.list': {
    params: TaskSuggestionsList;
    result: TaskSuggestionsListResult;
  };
  'tasks.list': {
    params: TasksList;
    result: TasksListResult;
  };
  'tidegate.approvals.decide': {
    params: DecideApproval;
    result: ExecApprovalResolveResult;
  };
  'tidegate.audit': {
    params: Audit;
    result: AuditResult;
  };
  'tidegate.commands.interrupt': {
    params: InterruptCommand;
    result: InterruptedResult;
  };
  'tidegate.commands.list': {
    params: Empty;
    result: RunningCommandsResult;
  };
  'tidegate.config.confirm': {
    params: ConfirmSetting;
    result: SettingDecidedResult;
  };
  'tidegate.config.list': {
    params: Empty;
    result: ConfigListResult;
  };
  'tidegate.config.reject': {
    params: RejectSetting;
    result: SettingDecidedResult;
  };
  'tidegate.connect': {
    params: Empty;
    result: ConnectLinesResult;
  };
  'tidegate.devices.block': {
    params: ById;
    result: BlockedResult;
  };
  'tidegate.devices.decide': {
    params: Decide;
    result: DecidedResult;
  };
  'tidegate.devices.revoke': {
    params: ById;
    result: RevokedResult;
  };
  'tidegate.devices.show': {
    params: ById;
    result: ShownEntry;
  };
  'tidegate.devices.unblock': {
    params: ById;
    result: UnblockedResult;
  };
  'tidegate.devices.waiting': {
    params: Empty;
    result: WaitingResult;
  };
  'tidegate.dialog.open': {
    params: DialogOpen;
    result: DialogOpenResult;
  };
  'tidegate.doctor': {
    params: Empty;
    result: DoctorResult;
  };
  'tidegate.files.discard': {
    params: ById;
    result: FileDecidedResult;
  };
  'tidegate.files.keep': {
    params: KeepFile;
    result: FileDecidedResult;
  };
  'tidegate.files.list': {
    params: Empty;
    result: FilesListResult;
  };
  'tidegate.files.show': {
    params: ById;
    result: SetAsideFileDetails;
  };
  'tidegate.files.unshare': {
    params: UnshareFolder;
    result: SharedFolder;
  };
  'tidegate.models.take': {
    params: TakeServer;
    result: ModelsUseResult;
  };
  'tidegate.models.test': {
    params: ModelChoice;
    result: ModelsTestResult;
  };
  'tidegate.models.use': {
    params: ModelChoice;
    result: ModelsUseResult;
  };
  'tidegate.pause': {
    params: Empty;
    result: PausedResult;
  };
  'tidegate.permissions.askEverything': {
    params: Empty;
    result: AskEverythingResult;
  };
  'tidegate.permissions.list': {
    params: Empty;
    result: PermissionsListResult;
  };
  'tidegate.permissions.revoke': {
    params: ById;
    result: PermissionRevokedResult;
  };
  'tidegate.permissions.use': {
    params: Empty;
    result: AskEverythingResult;
  };
  'tidegate.resume': {
    params: Empty;
    result: PausedResult;
  };
  'tidegate.sessions.workspace': {
    params: SessionWorkspace;
    result: SessionWorkspaceResult;
  };
  'tidegate.status': {
    params: Empty;
    result: TidegateStatusResult;
  };
  'tidegate.token.list': {
    params: Empty;
    result: TokenListResult;
  };
  'tidegate.token.new': {
    params: TokenNew;
    result: TokenNewResult;
  };
  'tidegate.token.revoke': {
    params: ById;
    result: RevokedResult;
  };
  'tools.catalog': {
    params: ToolsCatalog;
    result: ToolsCatalogResult;
  };
  'update.status': {
    params: UpdateStatus;
    result: UpdateStatusResult;
  };
  'usage.status': {
    params: Empty;
    result: UsageStatusResult;
  };
}
/**
 * `agent`.
 */
export interface Agent {
  accountId?: (false | {} | null | unknown[]) | null;
  acpTurnSource?: (false | {} | null | unknown[]) | null;
  agentId?: AgentId | null;
  attachments?: (false | {} | null | unknown[]) | null;
  /**
   * Ignored: answers only go to clients.
   */
  bestEffortDeliver?: {
    [k: string]: unknown;
  };
  bootstrapContextMode?: ((false | 'full') | {} | null | unknown[]) | null;
  bootstrapContextRunKind?: ((false | 'default') | {} | null | unknown[]) | null;
  channel?: ((false | 'webchat' | 'last') | {} | null | unknown[]) | null;
  /**
   * Ignored: no MCP server is started for a run.
   */
  cleanupBundleMcpOnRunEnd?: {
    [k: string]: unknown;
  };
  cwd?: (false | {} | null | unknown[]) | null;
  deliver?: (false | {} | null | unknown[]) | null;
  /**
   * Ignored: there is no message tool.
   */
  disableMessageTool?: {
    [k: string]: unknown;
  };
  execApprovalFollowupExpectedSessionId?: (false | {} | null | unknown[]) | null;
  /**
   * The session must be there, and have this id.
   */
  expectedExistingSessionId?: string | null;
  extraSystemPrompt?: string | null;
  forceCodeModeTools?: (false | {} | null | unknown[]) | null;
  forceRestartSafeTools?: (false | {} | null | unknown[]) | null;
  groupChannel?: (false | {} | null | unknown[]) | null;
  groupId?: (false | {} | null | unknown[]) | null;
  groupSpace?: (false | {} | null | unknown[]) | null;
  idempotencyKey: RunId;
  inputProvenance?: (false | {} | null | unknown[]) | null;
  internalEvents?: (false | {} | null | unknown[]) | null;
  internalExecutionIdentityRecoveryAttempt?: (false | {} | null | unknown[]) | null;
  internalExecutionIdentityRetry?: (false | {} | null | unknown[]) | null;
  internalRuntimeHandoffId?: string | null;
  label?: string | null;
  /**
   * Ignored: each session has one queue.
   */
  lane?: {
    [k: string]: unknown;
  };
  message: string;
  model?: string | null;
  modelRun?: (false | {} | null | unknown[]) | null;
  promptMode?: ((false | 'full') | {} | null | unknown[]) | null;
  provider?: string | null;
  replyAccountId?: (false | {} | null | unknown[]) | null;
  replyChannel?: ((false | 'webchat' | 'last') | {} | null | unknown[]) | null;
  replyTo?: (false | {} | null | unknown[]) | null;
  sessionEffects?: ((false | 'visible') | {} | null | unknown[]) | null;
  /**
   * The session's id must be this one.
   */
  sessionId?: string | null;
  sessionKey?: SessionKey | null;
  sourceReplyDeliveryMode?: ((false | 'automatic') | {} | null | unknown[]) | null;
  suppressPromptPersistence?: (false | {} | null | unknown[]) | null;
  swarmCollector?: (false | {} | null | unknown[]) | null;
  swarmOutputSchema?: (false | {} | null | unknown[]) | null;
  /**
   * Ignored: models think as much as their server is set to.
   */
  thinking?: {
    [k: string]: unknown;
  };
  threadId?: (false | {} | null | unknown[]) | null;
  timeout?: number | null;
  to?: (false | {} | null | unknown[]) | null;
  /**
   * Ignored: the agent is given the message as it is written.
   */
  voiceWakeTrigger?: {
    [k: string]: unknown;
  };
}
/**
 * `agent`, last answer.
 */
export interface AgentResult {
  result?: AgentOutput | null;
  runId: RunId;
  /**
   * `ok` or `error`.
   */
  status: string;
  summary?: string | null;
}
/**
 * What a run of `agent` made.
 */
export interface AgentOutput {
  meta: AgentMeta;
  payloads: AgentPayload[];
}
/**
 * How it was made.
 */
export interface AgentMeta {
  agentMeta: AgentModelMeta;
  durationMs: number;
}
/**
 * By what it was made.
 */
export interface AgentModelMeta {
  model?: string | null;
  provider?: string | null;
  sessionId: SessionId;
  usage: AgentUsage;
}
/**
 * Tokens of a run.
 */
export interface AgentUsage {
  cacheRead: number;
  cacheWrite: number;
  input: number;
  output: number;
  total: number;
}
/**
 * One piece of it.
 */
export interface AgentPayload {
  mediaUrl?: string | null;
  text?: string | null;
}
/**
 * `agent.identity.get`.
 */
export interface AgentIdentity {
  agentId?: AgentId | null;
  /**
   * Ignored: all sessions are of the one configured agent.
   */
  sessionKey?: {
    [k: string]: unknown;
  };
}
/**
 * `agent.identity.get`.
 */
export interface AgentIdentityResult {
  agentId: string;
  avatar: string;
  name: string;
  nameSource: string;
}
/**
 * `agent.wait`.
 */
export interface AgentWait {
  runId: RunId;
  timeoutMs?: number | null;
}
/**
 * `agent.wait`.
 */
export interface AgentWaitResult {
  endedAt?: UnixMillis | null;
  error?: string | null;
  runId: RunId;
  startedAt?: UnixMillis | null;
  /**
   * `ok`, `error` or `timeout`.
   */
  status: string;
}
/**
 * `agents.list`.
 */
export interface AgentsListResult {
  agents: AgentEntry[];
  defaultId: string;
  mainKey: string;
  scope: string;
}
/**
 * One of our agents.
 */
export interface AgentEntry {
  id: string;
  model?: AgentModel | null;
  name: string;
  workspace: string;
}
/**
 * The model of an agent. The Control UI lets nobody write to an agent that has none.
 */
export interface AgentModel {
  /**
   * `provider/model`.
   */
  primary: string;
}
/**
 * `channels.status`.
 */
export interface ChannelsStatus {
  /**
   * Ignored: there are no channels.
   */
  channel?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no channels.
   */
  probe?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no channels.
   */
  timeoutMs?: {
    [k: string]: unknown;
  };
}
/**
 * `channels.status`.
 */
export interface ChannelsStatusResult {
  channelAccounts: {
    [k: string]: unknown;
  };
  channelDefaultAccountId: {
    [k: string]: unknown;
  };
  channelDetailLabels: {
    [k: string]: unknown;
  };
  channelLabels: {
    [k: string]: unknown;
  };
  channelMeta: unknown[];
  channelOrder: string[];
  channelSystemImages: {
    [k: string]: unknown;
  };
  channels: {
    [k: string]: unknown;
  };
  ts: UnixMillis;
}
/**
 * `chat.abort`.
 */
export interface ChatAbort {
  agentId?: AgentId | null;
  /**
   * Ignored: there are no side runs.
   */
  preserveSideRuns?: {
    [k: string]: unknown;
  };
  runId?: RunId | null;
  sessionKey: SessionKey;
}
/**
 * `chat.abort`.
 */
export interface ChatAbortResult {
  aborted: boolean;
  ok: boolean;
  runIds: RunId[];
}
/**
 * `chat.history`.
 */
export interface ChatHistory {
  agentId?: AgentId | null;
  cursor?: string | null;
  inputRunIds?: string[] | null;
  limit?: number | null;
  maxBytes?: number | null;
  maxChars?: number | null;
  messageId?: string | null;
  offset?: number | null;
  /**
   * Ignored: no input waits outside the transcript.
   */
  pendingBefore?: {
    [k: string]: unknown;
  };
  sessionId?: string | null;
  sessionKey: SessionKey;
}
/**
 * A page of a transcript, from its end backwards.
 */
export interface ChatHistoryPage {
  defaults: SessionModelDefaults;
  hasMore: boolean;
  /**
   * Of these, the ones that stand in the transcript.
   */
  inputConsumptions?: InputConsumption[] | null;
  /**
   * Where runs were asked for: what became of their messages.
   */
  inputReceipts?: InputReceipt[] | null;
  messages: ChatMessage[];
  /**
   * Only in `chat.startup`.
   */
  metadata?: ChatMetadataResult | null;
  /**
   * The offset of the page before it, when there is one.
   */
  nextOffset?: number | null;
  /**
   * The messages after the page, where they were asked for.
   */
  offset?: number | null;
  pendingInputs?: PendingInputs | null;
  /**
   * In `chat.startup` by a short id: the session that it names.
   */
  resolution?: SessionResolved | null;
  sessionId?: SessionId | null;
  sessionInfo?: SessionEntry | null;
  sessionKey: SessionKey;
  thinkingLevel: string;
  totalMessages: number;
}
/**
 * What sessions use when nobody chose.
 */
export interface SessionModelDefaults {
  contextTokens?: number | null;
  model?: string | null;
  modelProvider?: string | null;
}
/**
 * The message of a run that stands in the transcript.
 */
export interface InputConsumption {
  consumedByEventId: string;
  runId: RunId;
}
/**
 * What became of the message of a run: it waits, or stands in the transcript.
 */
export interface InputReceipt {
  /**
   * With `consumed`: the id of the message.
   */
  consumedByEventId?: string | null;
  runId: RunId;
  /**
   * `pending` or `consumed`.
   */
  state: string;
}
/**
 * One message of a transcript, or the text so far of one that is being made.
 */
export interface ChatMessage {
  __openclaw?: MessagePosition | null;
  api?: string | null;
  content: ContentBlock[];
  details?: unknown;
  errorMessage?: string | null;
  /**
   * Of the message that started a run: `RUN:user`, by which a client knows its own.
   */
  idempotencyKey?: string | null;
  isError?: boolean | null;
  model?: string | null;
  provider?: string | null;
  role: MessageRole;
  /**
   * What the runtime's own message tells of.
   */
  source?: MessageSource | null;
  stopReason?: string | null;
  timestamp?: UnixMillis | null;
  toolCallId?: string | null;
  toolName?: string | null;
  usage?: MessageUsage | null;
}
/**
 * Where a message stands in its transcript.
 */
export interface MessagePosition {
  id: string;
  idempotencyKey?: string | null;
  /**
   * Why it was left out: `oversized`.
   */
  reason?: string | null;
  runId?: RunId | null;
  /**
   * Counted from 1 in its session.
   */
  seq: number;
  /**
   * In `chat.history`: it was left out.
   */
  truncated?: boolean | null;
}
/**
 * What a message of the runtime tells of.
 */
export interface MessageSource {
  /**
   * `subagent`: it has ended.
   */
  kind: string;
  label?: string | null;
  /**
   * What the model reads of it: the subagent's result is framed as untrusted.
   */
  report?: string | null;
  runId: RunId;
  sessionKey: SessionKey;
  status: string;
}
/**
 * Tokens of one answer.
 */
export interface MessageUsage {
  input: number;
  output: number;
  totalTokens: number;
}
/**
 * What chat clients offer beside the transcript: in `chat.startup`, and `chat.metadata`.
 */
export interface ChatMetadataResult {
  commands: CommandEntry[];
  models: ModelListEntry[];
}
/**
 * A chat command.
 */
export interface CommandEntry {
  acceptsArgs: boolean;
  args?: CommandArgument[] | null;
  /**
   * `session`, `options` or `status`.
   */
  category: string;
  description: string;
  name: string;
  /**
   * `text`: it is a message.
   */
  scope: string;
  /**
   * `native`: of the gateway itself.
   */
  source: string;
  textAliases: string[];
}
/**
 * The argument of a chat command.
 */
export interface CommandArgument {
  description: string;
  name: string;
  /**
   * `string`.
   */
  type: string;
}
/**
 * One of the models that can be chosen.
 */
export interface ModelListEntry {
  available: boolean;
  contextWindow?: number | null;
  id: string;
  name: string;
  provider: string;
  reasoning: boolean;
  /**
   * `default` is among them for the model that is used when nobody chooses, `found` for one of
   * a server on this computer that was not taken into use: such a model is not available.
   */
  tags: string[];
}
/**
 * Inputs that wait for their turn.
 */
export interface PendingInputs {
  items: unknown[];
  total: number;
}
/**
 * The session that was asked for.
 */
export interface SessionResolved {
  agentId: AgentId;
  displayName?: string | null;
  key: SessionKey;
  ok: boolean;
}
/**
 * A session as lists and `sessions.changed` show it.
 */
export interface SessionEntry {
  abortedLastRun: boolean;
  agentId: AgentId;
  archived?: boolean | null;
  /**
   * Since when it is archived.
   */
  archivedAt?: UnixMillis | null;
  category?: unknown;
  color?: unknown;
  createdAt?: UnixMillis | null;
  displayName?: string | null;
  elevatedLevel?: unknown;
  endedAt?: UnixMillis | null;
  fastMode?: unknown;
  groupActivation?: unknown;
  icon?: unknown;
  inputTokens: number;
  key: SessionKey;
  kind: string;
  label?: string | null;
  /**
   * The beginning of the last message, where it was asked for.
   */
  lastMessagePreview?: string | null;
  lastRunId?: RunId | null;
  model?: string | null;
  modelProvider?: string | null;
  outputTokens: number;
  parentSessionKey?: SessionKey | null;
  pinned?: boolean | null;
  queueMode?: unknown;
  reasoningLevel?: unknown;
  responseUsage?: unknown;
  runtimeMs?: number | null;
  sendPolicy?: unknown;
  sessionId: SessionId;
  /**
   * 0 for sessions that nobody spawned.
   */
  spawnDepth?: number | null;
  /**
   * The session that spawned it.
   */
  spawnedBy?: SessionKey | null;
  /**
   * When its newest run began.
   */
  startedAt?: UnixMillis | null;
  status?: SessionStatus | null;
  thinkingLevel?: unknown;
  totalTokens: number;
  totalTokensFresh: boolean;
  updatedAt: UnixMillis;
  verboseLevel?: unknown;
  /**
   * The folder that a person chose for it, by its real path; without one it has the gateway's.
   */
  workspace?: string | null;
}
/**
 * The answer to a cursor: none is known, so the client reads the transcript again.
 */
export interface ChatHistoryReset {
  kind: Reset;
}
/**
 * `chat.message.get`.
 */
export interface ChatMessageGet {
  agentId?: AgentId | null;
  maxChars?: number | null;
  messageId: string;
  sessionKey: SessionKey;
}
/**
 * `chat.message.get`.
 */
export interface ChatMessageGetResult {
  message?: ChatMessage | null;
  ok: boolean;
  /**
   * `not_found` or `oversized`.
   */
  unavailableReason?: string | null;
}
/**
 * `chat.metadata`.
 */
export interface ChatMetadata {
  agentId?: AgentId | null;
  /**
   * Ignored: there are no accounts of model providers.
   */
  authProfileId?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: every session has the same commands, and the same models to choose from.
   */
  sessionKey?: {
    [k: string]: unknown;
  };
}
/**
 * `chat.send`.
 */
export interface ChatSend {
  agentId?: AgentId | null;
  attachments?: (false | {} | null | unknown[]) | null;
  deliver?: (false | {} | null | unknown[]) | null;
  /**
   * The transcript's newest entry must be this one; with `null` there must be none.
   */
  expectedLeafEntryId?: string | null;
  expectedPermissionMode?: (false | {} | null | unknown[]) | null;
  /**
   * Ignored: a session key always leads to the same session.
   */
  expectedSessionRoutingContract?: {
    [k: string]: unknown;
  };
  expectedToolOverrides?: (false | {} | null | unknown[]) | null;
  /**
   * Ignored: there is no faster mode of a model.
   */
  fastAutoOnSeconds?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there is no faster mode of a model.
   */
  fastMode?: {
    [k: string]: unknown;
  };
  idempotencyKey: RunId;
  intent?: (false | {} | null | unknown[]) | null;
  /**
   * Ignored: the agent is given the message as it is written.
   */
  mentions?: {
    [k: string]: unknown;
  };
  message: string;
  originatingAccountId?: (false | {} | null | unknown[]) | null;
  originatingChannel?: ((false | 'webchat' | 'last') | {} | null | unknown[]) | null;
  originatingThreadId?: (false | {} | null | unknown[]) | null;
  originatingTo?: (false | {} | null | unknown[]) | null;
  queueMode?: ((false | 'followup' | 'collect') | {} | null | unknown[]) | null;
  replyToId?: (false | {} | null | unknown[]) | null;
  /**
   * The session's id must be this one.
   */
  sessionId?: string | null;
  sessionKey: SessionKey;
  suppressCommandInterpretation?: boolean | null;
  systemInputProvenance?: (false | {} | null | unknown[]) | null;
  systemProvenanceReceipt?: (false | {} | null | unknown[]) | null;
  /**
   * Ignored: models think as much as their server is set to.
   */
  thinking?: {
    [k: string]: unknown;
  };
  timeoutMs?: number | null;
  toolBindings?: (false | {} | null | unknown[]) | null;
  /**
   * Ignored: the agent is given the message as it is written.
   */
  workContext?: {
    [k: string]: unknown;
  };
}
/**
 * `chat.send`: a turn, or the runs that a stop word ended.
 */
export interface ChatSendResult {
  aborted?: boolean | null;
  ok?: boolean | null;
  runId?: RunId | null;
  runIds?: RunId[] | null;
  /**
   * `started`; of a repeated message also `in_flight`, `ok` or `error`.
   */
  status?: string | null;
  summary?: string | null;
}
/**
 * `chat.startup`: as `chat.history`, or by the beginning of the session's UUID.
 */
export interface ChatStartup {
  agentId?: AgentId | null;
  cursor?: string | null;
  inputRunIds?: string[] | null;
  limit?: number | null;
  maxBytes?: number | null;
  maxChars?: number | null;
  messageId?: string | null;
  offset?: number | null;
  /**
   * Ignored: no input waits outside the transcript.
   */
  pendingBefore?: {
    [k: string]: unknown;
  };
  sessionId?: string | null;
  sessionKey?: SessionKey | null;
  shortId?: string | null;
  /**
   * Ignored: all sessions that the short id fits are named.
   */
  slugHint?: {
    [k: string]: unknown;
  };
}
/**
 * `chat.startup` by a short id that names no session, or several.
 */
export interface ChatStartupUnresolved {
  resolution: SessionsUnresolved;
}
/**
 * No session fits, or several do.
 */
export interface SessionsUnresolved {
  /**
   * At most 10.
   */
  candidates?: SessionCandidate[] | null;
  ok: boolean;
}
/**
 * One of several sessions that fit.
 */
export interface SessionCandidate {
  agentId: AgentId;
  displayName?: string | null;
  key: SessionKey;
}
/**
 * `commands.list`.
 */
export interface CommandsList {
  agentId?: AgentId | null;
  /**
   * Whether the arguments of commands are listed; they are unless it says no.
   */
  includeArgs?: boolean | null;
  /**
   * Ignored: there are no channels.
   */
  provider?: {
    [k: string]: unknown;
  };
  scope?: CommandScope | null;
  /**
   * Ignored: every session has the same commands, and the same models to choose from.
   */
  sessionKey?: {
    [k: string]: unknown;
  };
}
/**
 * `commands.list`.
 */
export interface CommandsListResult {
  commands: CommandEntry[];
}
/**
 * `config.get`: the file without secrets.
 */
export interface ConfigGetResult {
  config: unknown;
  exists: boolean;
  hash?: string | null;
  issues: ConfigIssue[];
  legacyIssues: unknown[];
  parsed?: unknown;
  path: string;
  raw?: string | null;
  resolved?: unknown;
  valid: boolean;
  warnings: ConfigIssue[];
}
/**
 * A problem of the configuration.
 */
export interface ConfigIssue {
  message: string;
  path: string;
}
/**
 * `cron.list`.
 */
export interface CronList {
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  agentId?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  compact?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  enabled?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  includeDeliveryPreviews?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  includeDisabled?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  lastRunStatus?: {
    [k: string]: unknown;
  };
  limit?: number | null;
  offset?: number | null;
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  query?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  scheduleKind?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  sortBy?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  sortDir?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  trigger?: {
    [k: string]: unknown;
  };
}
/**
 * `cron.list`.
 */
export interface CronListResult {
  hasMore: boolean;
  jobs: unknown[];
  limit: number;
  nextOffset?: number | null;
  offset: number;
  /**
   * The same for as long as nothing changed. 2026.9.6's command line refuses a list without one.
   */
  snapshotRevision: string;
  total: number;
}
/**
 * `cron.runs`.
 */
export interface CronRuns {
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  agentId?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  deliveryStatus?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  deliveryStatuses?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  id?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  jobId?: {
    [k: string]: unknown;
  };
  limit?: number | null;
  offset?: number | null;
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  query?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  runId?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  scope?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  sortDir?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  status?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no jobs, so it leaves nothing out.
   */
  statuses?: {
    [k: string]: unknown;
  };
}
/**
 * `cron.runs`.
 */
export interface CronRunsResult {
  entries: unknown[];
  hasMore: boolean;
  limit: number;
  nextOffset?: number | null;
  offset: number;
  total: number;
}
/**
 * `cron.status`.
 */
export interface CronStatusResult {
  enabled: boolean;
  jobs: number;
  nextWakeAtMs?: UnixMillis | null;
  storePath?: string | null;
}
/**
 * The request that `device.pair.approve` or `device.pair.reject` is about.
 */
export interface RequestId {
  requestId: string;
}
/**
 * `device.pair.approve`.
 */
export interface DevicePairApproveResult {
  device: ApprovedSubject;
  requestId: string;
}
/**
 * A known device, or our own client.
 */
export interface PairedDevice {
  approvedAtMs?: UnixMillis | null;
  approvedVia?: string | null;
  /**
   * Only our own client: it can be neither removed nor renamed.
   */
  builtIn?: boolean | null;
  clientId: string;
  clientMode: string;
  connected: boolean;
  createdAtMs?: UnixMillis | null;
  deviceFamily?: string | null;
  deviceId: DeviceId;
  displayName?: string | null;
  lastSeenAtMs?: UnixMillis | null;
  lastSeenFrom?: string | null;
  /**
   * How long the grant lasts.
   */
  lasts?: GrantLifetime | null;
  /**
   * The name that a person gave it.
   */
  operatorLabel?: string | null;
  platform: string;
  publicKey: PublicKey;
  role: string;
  roles: string[];
  scopes: Scope[];
  tokens?: DeviceTokenEntry[] | null;
}
/**
 * A device's token, without the token.
 */
export interface DeviceTokenEntry {
  createdAtMs: UnixMillis;
  revokedAtMs?: UnixMillis | null;
  role: string;
  rotatedAtMs?: UnixMillis | null;
  scopes: Scope[];
}
/**
 * A program that was approved: it has a name in the place of a device id.
 */
export interface ApprovedProgram {
  deviceId: string;
}
/**
 * `device.pair.list`; blocks are sent to the person's own surfaces only.
 */
export interface DevicePairListResult {
  blocked?: BlockedEntry[] | null;
  paired: PairedDevice[];
  pending: PendingDevice[];
}
/**
 * What is blocked.
 */
export interface BlockedEntry {
  /**
   * `true`.
   */
  blocked: boolean;
  deviceId?: DeviceId | null;
  executable?: string | null;
  id: string;
  name: string;
  script?: string | null;
  since: UnixMillis;
}
/**
 * A waiting request. Only the person's own surfaces get the second half.
 */
export interface PendingDevice {
  /**
   * What is asked for beyond that.
   */
  adds?: Scope[] | null;
  caution?: string | null;
  clientId: string;
  clientMode: string;
  /**
   * The code that the client shows too: the first characters of the request's id.
   */
  code?: string | null;
  deviceFamily?: string | null;
  /**
   * The device's id, or a name for the program.
   */
  deviceId: string;
  /**
   * Of everything that a person was shown: a decision names it.
   */
  digest?: string | null;
  displayName?: string | null;
  expiresAtMs?: UnixMillis | null;
  fingerprint?: string | null;
  /**
   * Where it comes from, in words.
   */
  from?: string | null;
  /**
   * What it was granted before.
   */
  has?: Scope[] | null;
  isRepair: boolean;
  /**
   * Whether a person gave this name to another device.
   */
  knownName?: boolean | null;
  later?: boolean | null;
  platform: string;
  /**
   * Empty for programs.
   */
  publicKey: string;
  reason?: PairingReason | null;
  requestId: string;
  role: string;
  roles: string[];
  /**
   * What it asks for.
   */
  scopes: Scope[];
  silent: boolean;
  subject?: string | null;
  ts: UnixMillis;
  /**
   * Whether an agent's command could be behind it.
   */
  unidentified?: boolean | null;
  version?: string | null;
}
/**
 * `device.pair.reject`.
 */
export interface DevicePairRejectResult {
  deviceId: string;
  requestId: string;
}
/**
 * `device.pair.remove`.
 */
export interface Device {
  deviceId: DeviceId;
}
/**
 * `device.pair.remove`.
 */
export interface DevicePairRemoveResult {
  deviceId: DeviceId;
  /**
   * Why it holds only until restart, if so.
   */
  note?: string | null;
}
/**
 * `device.token.revoke`.
 */
export interface TokenRevoke {
  deviceId: DeviceId;
  role: string;
}
/**
 * `device.token.revoke`.
 */
export interface DeviceTokenRevokeResult {
  deviceId: DeviceId;
  note?: string | null;
  revokedAtMs: UnixMillis;
  role: string;
}
/**
 * A waiting command: an entry of `exec.approval.list`, and `exec.approval.requested`.
 */
export interface WaitingApproval {
  createdAtMs: UnixMillis;
  expiresAtMs: UnixMillis;
  id: string;
  /**
   * What can be given with it, beyond the one time.
   */
  offers?: OfferedPermission[];
  request: ApprovalCommand;
  /**
   * Why a person is asked although something is allowed, as a sentence.
   */
  whyAsked?: string | null;
}
/**
 * Something that a request offers, in a sentence for the person.
 */
export interface OfferedPermission {
  offer: PermissionOffer;
  /**
   * What it allows, for how long.
   */
  sentence: string;
}
/**
 * A command as it would run.
 */
export interface ApprovalCommand {
  agentId: string;
  /**
   * The runs above it, nearest first.
   */
  ancestors: string[];
  ask: string;
  command: string;
  commandArgv: string[];
  /**
   * For a command of an agent: how it is confined and what it needs.
   */
  confinement?: Confinement | null;
  cwd: string;
  digest: string;
  /**
   * What it can do then, in sentences for the person.
   */
  effects?: string[] | null;
  /**
   * Variables that it adds or changes.
   */
  env: {
    [k: string]: string;
  };
  /**
   * For a file: what the command says, by its parts.
   */
  file?: ApprovalFile | null;
  host: string;
  runId?: string | null;
  security: string;
  sessionKey: string;
  /**
   * Of a run's request, the first run of its task.
   */
  taskId?: string | null;
}
/**
 * How a command runs, as a person decides about it.
 */
export interface Confinement {
  /**
   * Whether a command with network ran before in this turn: what asks may be text from elsewhere.
   */
  afterNetwork?: boolean;
  /**
   * How far it is confined.
   */
  class: 'contained' | 'partial' | 'unconfined';
  /**
   * What it needs beyond that.
   */
  needs: Need[];
  /**
   * Whether it has a terminal.
   */
  pty: boolean;
  /**
   * Why, in the words of the agent.
   */
  reason?: string | null;
  /**
   * Where the repository lies that `git` grants, when it is outside of the workspace.
   */
  repository?: string | null;
  /**
   * Files in its folders that other folders hold as well: it can only read them.
   */
  shared?: SharedFiles | null;
  /**
   * When it is ended, in seconds after its start.
   */
  timeoutSeconds: number;
}
/**
 * Files that have names in other folders, too (hard links): who writes to one changes it there.
 */
export interface SharedFiles {
  /**
   * How many. 0 where folders could not be looked into.
   */
  files: number;
  /**
   * Files and folders that are read-only for that reason: relative to the workspace, which is `.`
   * itself, or absolute.
   */
  places: string[];
}
/**
 * A file outside the workspace, or a trigger file in it. The texts are whole.
 */
export interface ApprovalFile {
  action: FileAction;
  /**
   * What `write` would put there.
   */
  content?: string | null;
  /**
   * Whether it was there when the question was asked.
   */
  exists: boolean;
  /**
   * What `edit` would put in its place.
   */
  newText?: string | null;
  /**
   * What `edit` would take away.
   */
  oldText?: string | null;
  path: string;
  /**
   * Whether it is in the workspace, and its text can run as the person's own commands later.
   */
  trigger: boolean;
}
/**
 * `exec.approval.resolve`.
 */
export interface ExecApprovalResolve {
  decision: string;
  grantExpiresInDays?: (false | {} | null | unknown[]) | null;
  id: string;
  reviewer?: (false | {} | null | unknown[]) | null;
}
/**
 * `exec.approval.resolve`, `tidegate.approvals.decide`: what was given with an approval.
 */
export interface ExecApprovalResolveResult {
  /**
   * What was allowed beyond the one time, as a sentence.
   */
  granted?: string | null;
  ok: boolean;
}
/**
 * `exec.approval.waitDecision`.
 */
export interface ExecApprovalWait {
  id: string;
}
/**
 * `exec.approval.waitDecision`; no decision is a refusal.
 */
export interface ExecApprovalWaitResult {
  decision?: ApprovalDecision | null;
  id: string;
}
/**
 * `exec.approvals.get`.
 */
export interface ExecApprovalsGetResult {
  exists: boolean;
  file: ExecPolicyFile;
  /**
   * SHA-256 of `file`, in hexadecimal.
   */
  hash: string;
  path: string;
  resolvedDefaults: ExecPolicy;
}
/**
 * OpenClaw's policy file. Tidegate has none: the policy is part of the program.
 */
export interface ExecPolicyFile {
  agents: {
    [k: string]: ExecPolicy;
  };
  defaults: ExecPolicy;
  version: number;
}
/**
 * How commands are decided, in the fields of OpenClaw's policy file.
 */
export interface ExecPolicy {
  /**
   * `always`: a person is asked about each command.
   */
  ask: string;
  /**
   * `deny`: what happens when nobody answers.
   */
  askFallback: string;
  autoAllowSkills: boolean;
  /**
   * `allowlist`: nothing runs that was not allowed.
   */
  security: string;
}
/**
 * `health`.
 */
export interface Health {
  /**
   * Ignored: the snapshot has nothing that a session may not see.
   */
  includeSensitive?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no channels.
   */
  probe?: {
    [k: string]: unknown;
  };
}
/**
 * `health`, and the event of the same name. Only a session with `operator.read` gets the numbers.
 */
export interface HealthResult {
  agents: HealthAgent[];
  channelLabels: {
    [k: string]: unknown;
  };
  channelOrder: string[];
  channels: {
    [k: string]: unknown;
  };
  defaultAgentId: string;
  durationMs: number;
  heartbeatSeconds: number;
  ok: boolean;
  sessions: HealthSessions;
  ts: UnixMillis;
}
/**
 * One agent in a health snapshot.
 */
export interface HealthAgent {
  agentId: string;
  heartbeat: HeartbeatStatus;
  isDefault: boolean;
  sessions: HealthSessions;
}
/**
 * Heartbeats; there are none.
 */
export interface HeartbeatStatus {
  ackMaxChars: number;
  enabled: boolean;
  every: string;
  everyMs?: number | null;
  prompt: string;
  target: string;
}
/**
 * Sessions in a health snapshot.
 */
export interface HealthSessions {
  count: number;
  path: string;
  recent: unknown[];
}
/**
 * `logs.tail`.
 */
export interface LogsTail {
  cursor?: number | null;
  limit?: number | null;
  maxBytes?: number | null;
}
/**
 * `logs.tail`.
 */
export interface LogsTailResult {
  /**
   * Where to go on.
   */
  cursor: number;
  file: string;
  lines: string[];
  reset: boolean;
  size: number;
  truncated: boolean;
}
/**
 * `models.authStatus`.
 */
export interface ModelsAuthStatus {
  /**
   * Ignored: there are no accounts of model providers.
   */
  agentId?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no accounts of model providers.
   */
  refresh?: {
    [k: string]: unknown;
  };
}
/**
 * `models.authStatus`: accounts that providers signed a person in to.
 */
export interface ModelsAuthStatusResult {
  providers: unknown[];
  ts: UnixMillis;
}
/**
 * `models.list`.
 */
export interface ModelsList {
  agentId?: AgentId | null;
  /**
   * Ignored: providers are not told apart by what else they can do.
   */
  includeProviderCapabilities?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: models are listed without starting anything.
   */
  preparedOnly?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: the list is always current.
   */
  refresh?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: every session has the same commands, and the same models to choose from.
   */
  sessionKey?: {
    [k: string]: unknown;
  };
  view?: ModelsView | null;
}
/**
 * `models.list`.
 */
export interface ModelsListResult {
  models: ModelListEntry[];
}
/**
 * `node.list`.
 */
export interface NodeListResult {
  nodes: unknown[];
  ts: UnixMillis;
}
/**
 * `node.pair.list`.
 */
export interface NodePairListResult {
  paired: unknown[];
  pending: unknown[];
}
/**
 * `plugins.list`.
 */
export interface PluginsListResult {
  diagnostics: unknown[];
  mutationAllowed: boolean;
  plugins: unknown[];
}
/**
 * `progressCard.get`, `sessions.branches.list`, `sessions.companion.state`.
 */
export interface OfSession {
  agentId?: AgentId | null;
  /**
   * Ignored: no session has one.
   */
  sessionKey: {
    [k: string]: unknown;
  };
}
/**
 * `progressCard.get`.
 */
export interface ProgressCardResult {
  card?: unknown;
}
/**
 * `question.list`.
 */
export interface QuestionListResult {
  questions: unknown[];
}
/**
 * `sessions.abort`: a session, or a run of any.
 */
export interface SessionsAbort {
  agentId?: AgentId | null;
  clearQueued?: boolean | null;
  key?: SessionKey | null;
  runId?: RunId | null;
}
/**
 * `sessions.abort`.
 */
export interface SessionsAbortResult {
  abortedRunId?: RunId | null;
  ok: boolean;
  /**
   * `aborted` or `no-active-run`.
   */
  status: string;
}
/**
 * `sessions.branches.list`.
 */
export interface BranchesListResult {
  branches: unknown[];
}
/**
 * `sessions.companion.state`.
 */
export interface CompanionStateResult {
  exchanges: unknown[];
}
/**
 * `sessions.create`.
 */
export interface SessionsCreate {
  agentId?: AgentId | null;
  agentRuntime?: (false | {} | null | unknown[]) | null;
  attachments?: (false | {} | null | unknown[]) | null;
  catalogId?: (false | {} | null | unknown[]) | null;
  category?: string | null;
  contextWindow?: (false | {} | null | unknown[]) | null;
  cwd?: (false | {} | null | unknown[]) | null;
  /**
   * Taken where there is no label.
   */
  displayName?: string | null;
  /**
   * Ignored: there are no hooks.
   */
  emitCommandHooks?: {
    [k: string]: unknown;
  };
  execNode?: (false | {} | null | unknown[]) | null;
  fastMode?: FastMode | null;
  fork?: (false | {} | null | unknown[]) | null;
  forkFrom?: (false | {} | null | unknown[]) | null;
  /**
   * With the same one again, a client gets the same session and the same first turn.
   */
  idempotencyKey?: string | null;
  incognito?: (false | {} | null | unknown[]) | null;
  /**
   * Without one, the session is one of its own.
   */
  key?: SessionKey | null;
  label?: string | null;
  /**
   * Ignored: the agent is given the message as it is written.
   */
  mentions?: {
    [k: string]: unknown;
  };
  /**
   * The first message.
   */
  message?: string | null;
  model?: string | null;
  parentSessionKey?: SessionKey | null;
  permissionMode?: (false | {} | null | unknown[]) | null;
  projectGitUrl?: (false | {} | null | unknown[]) | null;
  projectId?: (false | {} | null | unknown[]) | null;
  spawnDepth?: (false | {} | null) | null;
  /**
   * Ignored: there are no hooks.
   */
  succeedsParent?: {
    [k: string]: unknown;
  };
  /**
   * Taken where there is no message.
   */
  task?: string | null;
  thinkingLevel?: string | null;
  timeoutMs?: number | null;
  /**
   * Ignored: no title is made of what was said.
   */
  titleSource?: {
    [k: string]: unknown;
  };
  toolOverrides?: (false | {} | null | unknown[]) | null;
  /**
   * Ignored: there are no user profiles, and every session is the person's own.
   */
  visibility?: {
    [k: string]: unknown;
  };
  worktree?: (false | {} | null | unknown[]) | null;
  worktreeBaseRef?: (false | {} | null | unknown[]) | null;
  worktreeName?: (false | {} | null | unknown[]) | null;
  worktreeSource?: (false | {} | null | unknown[]) | null;
}
/**
 * `sessions.create`. The fields of the first turn are there when a message was given.
 */
export interface SessionsCreateResult {
  entry: SessionEntry;
  key: SessionKey;
  ok: boolean;
  resolved: SessionModel;
  /**
   * Why the first turn was not started; the session is there.
   */
  runError?: ErrorShape | null;
  runId?: RunId | null;
  runStarted: boolean;
  sessionId: SessionId;
  status?: string | null;
}
/**
 * The model that a new session uses.
 */
export interface SessionModel {
  model?: string | null;
  modelProvider?: string | null;
}
/**
 * What a refused request is answered with: a code for programs and a sentence for people.
 */
export interface ErrorShape {
  /**
   * The top-level code.
   */
  code:
    'INVALID_REQUEST' | 'NOT_PAIRED' | 'FORBIDDEN' | 'UNAVAILABLE' | 'AGENT_TIMEOUT' | 'APPROVAL_NOT_FOUND';
  /**
   * A finer code and what belongs to it.
   */
  details?: {
    [k: string]: unknown;
  };
  /**
   * A sentence for a person.
   */
  message: string;
  /**
   * After how many milliseconds.
   */
  retryAfterMs?: number | null;
  /**
   * Whether the same request may succeed later.
   */
  retryable?: boolean | null;
}
/**
 * `sessions.describe`.
 */
export interface SessionsDescribe {
  agentId?: AgentId | null;
  includeDerivedTitles?: boolean | null;
  includeLastMessage?: boolean | null;
  key: SessionKey;
}
/**
 * `sessions.describe`; no session when there is none of that key.
 */
export interface SessionsDescribeResult {
  session?: SessionEntry | null;
  ts: UnixMillis;
}
/**
 * `sessions.get`; one of the two names the session.
 */
export interface SessionsGet {
  agentId?: AgentId | null;
  key?: SessionKey | null;
  limit?: number | null;
  sessionKey?: SessionKey | null;
}
/**
 * `sessions.get`: the newest messages, oldest first.
 */
export interface SessionsGetResult {
  messages: ChatMessage[];
}
/**
 * `sessions.list`.
 */
export interface SessionsList {
  activeMinutes?: number | null;
  agentId?: AgentId | null;
  archived?: ArchivedFilter | null;
  boardFace?: BoardFace | null;
  /**
   * Ignored: all sessions are of the one configured agent.
   */
  configuredAgentsOnly?: {
    [k: string]: unknown;
  };
  creatorId?: string | null;
  includeDerivedTitles?: boolean | null;
  /**
   * Ignored: every session belongs to the agent.
   */
  includeGlobal?: {
    [k: string]: unknown;
  };
  includeLastMessage?: boolean | null;
  /**
   * Ignored: there are no user profiles, and every session is the person's own.
   */
  includePeople?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: every session belongs to the agent.
   */
  includeUnknown?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: there are no user profiles, and every session is the person's own.
   */
  involvingMe?: {
    [k: string]: unknown;
  };
  involvingProfileId?: string | null;
  label?: string | null;
  limit?: number | null;
  offset?: number | null;
  /**
   * Ignored: there are no user profiles, and every session is the person's own.
   */
  ownerFirst?: {
    [k: string]: unknown;
  };
  ownerId?: string | null;
  requireLastInteraction?: boolean | null;
  search?: string | null;
  /**
   * Ignored: sessions are listed newest change first, and a turn is a change.
   */
  sortBy?: {
    [k: string]: unknown;
  };
  spawnedBy?: SessionKey | null;
}
/**
 * `sessions.list`.
 */
export interface SessionsListResult {
  count: number;
  defaults: SessionModelDefaults;
  hasMore: boolean;
  limitApplied: number;
  nextOffset?: number | null;
  owners: unknown[];
  path: string;
  sessions: SessionEntry[];
  totalCount: number;
  ts: UnixMillis;
}
/**
 * `sessions.messages.subscribe`.
 */
export interface SessionsMessagesSubscribe {
  agentId?: AgentId | null;
  includeApprovals?: boolean | null;
  key: SessionKey;
}
/**
 * `sessions.subscribe`, `sessions.messages.subscribe` and `sessions.messages.unsubscribe`.
 */
export interface Subscribed {
  key?: SessionKey | null;
  subscribed: boolean;
}
/**
 * `sessions.messages.unsubscribe`.
 */
export interface SessionsMessagesUnsubscribe {
  agentId?: AgentId | null;
  key: SessionKey;
}
/**
 * `sessions.observer.visibility`.
 */
export interface ObserverVisibility {
  /**
   * Ignored: nothing observes sessions.
   */
  visible: {
    [k: string]: unknown;
  };
}
/**
 * An answer that says no more than that it was done.
 */
export interface Done {
  ok: boolean;
}
/**
 * `sessions.preview`.
 */
export interface SessionsPreview {
  keys: SessionKey[];
  limit?: number | null;
  maxChars?: number | null;
}
/**
 * `sessions.preview`.
 */
export interface SessionsPreviewResult {
  previews: SessionPreview[];
  ts: UnixMillis;
}
/**
 * The last lines of one session.
 */
export interface SessionPreview {
  items: PreviewItem[];
  key: SessionKey;
  /**
   * `ok`, `empty` or `missing`.
   */
  status: string;
}
/**
 * One line of a preview.
 */
export interface PreviewItem {
  role?: string | null;
  text: string;
}
/**
 * `sessions.resolve`: exactly one of key, session id, label, short id and reference.
 */
export interface SessionsResolve {
  agentId?: AgentId | null;
  allowMissing?: boolean | null;
  /**
   * Ignored: every session belongs to the agent.
   */
  includeGlobal?: {
    [k: string]: unknown;
  };
  /**
   * Ignored: every session belongs to the agent.
   */
  includeUnknown?: {
    [k: string]: unknown;
  };
  key?: SessionKey | null;
  label?: string | null;
  reference?: SessionReference | null;
  sessionId?: string | null;
  shortId?: string | null;
  /**
   * Ignored: all sessions that the short id fits are named.
   */
  slugHint?: {
    [k: string]: unknown;
  };
  spawnedBy?: SessionKey | null;
}
/**
 * The session of a page's address.
 */
export interface SessionReference {
  key: SessionKey;
  /**
   * Ignored: the key names one session.
   */
  slug?: {
    [k: string]: unknown;
  };
}
/**
 * `skills.status`.
 */
export interface SkillsStatus {
  agentId?: AgentId | null;
  /**
   * Ignored: there are no skills.
   */
  sessionKey?: {
    [k: string]: unknown;
  };
}
/**
 * `skills.status`.
 */
export interface SkillsStatusResult {
  managedSkillsDir: string;
  skills: unknown[];
  workspaceDir: string;
}
/**
 * `status`.
 */
export interface StatusResult {
  channelSummary: unknown[];
  heartbeat: StatusHeartbeat;
  queuedSystemEvents: unknown[];
  runtimeVersion: string;
  sessions: StatusSessions;
  taskAudit: StatusTaskAudit;
  tasks: StatusTasks;
}
/**
 * Heartbeats in `status`.
 */
export interface StatusHeartbeat {
  agents: StatusHeartbeatAgent[];
  defaultAgentId: string;
}
/**
 * The agent's heartbeat in `status`.
 */
export interface StatusHeartbeatAgent {
  agentId: string;
  enabled: boolean;
  every: string;
  everyMs?: number | null;
}
/**
 * Sessions in `status`.
 */
export interface StatusSessions {
  byAgent: StatusAgentSessions[];
  count: number;
  defaults: StatusDefaults;
  paths: string[];
  recent: StatusSession[];
}
/**
 * The sessions of one agent in `status`.
 */
export interface StatusAgentSessions {
  agentId: string;
  count: number;
  /**
   * Only told to sessions with `operator.admin`; empty otherwise.
   */
  path: string;
  recent: StatusSession[];
}
/**
 * A session in `status`.
 */
export interface StatusSession {
  /**
   * Milliseconds since then.
   */
  age: number;
  agentId: string;
  flags: string[];
  inputTokens: number;
  key: SessionKey;
  kind: string;
  model?: string | null;
  outputTokens: number;
  sessionId: string;
  totalTokens: number;
  totalTokensFresh: boolean;
  updatedAt: UnixMillis;
}
/**
 * What sessions use when nobody chose, in `status`.
 */
export interface StatusDefaults {
  contextTokens?: number | null;
  model?: string | null;
}
/**
 * What is odd about runs; nothing is.
 */
export interface StatusTaskAudit {
  byCode: {
    [k: string]: number;
  };
  errors: number;
  total: number;
  warnings: number;
}
/**
 * Runs in numbers.
 */
export interface StatusTasks {
  active: number;
  byRuntime: {
    [k: string]: number;
  };
  byStatus: TaskCounts;
  failures: number;
  terminal: number;
  total: number;
}
/**
 * Runs by their state.
 */
export interface TaskCounts {
  cancelled: number;
  failed: number;
  lost: number;
  queued: number;
  running: number;
  succeeded: number;
  timed_out: number;
}
/**
 * Who is connected: one line of `system-presence`.
 */
export interface PresenceEntry {
  deviceFamily?: string | null;
  deviceId?: string | null;
  host: string;
  instanceId?: string | null;
  mode: string;
  platform: string;
  reason: string;
  text?: string | null;
  ts: UnixMillis;
  version: string;
}
/**
 * `taskSuggestions.list`.
 */
export interface TaskSuggestionsList {
  agentId?: AgentId | null;
  /**
   * Ignored: there are no suggested tasks.
   */
  sessionKey?: {
    [k: string]: unknown;
  };
}
/**
 * `taskSuggestions.list`.
 */
export interface TaskSuggestionsListResult {
  suggestions: unknown[];
}
/**
 * `tasks.list`.
 */
export interface TasksList {
  agentId?: AgentId | null;
  /**
   * Ignored: no answer has a cursor.
   */
  cursor?: {
    [k: string]: unknown;
  };
  limit?: number | null;
  sessionKey?: SessionKey | null;
  /**
   * Ignored: tasks are listed in the order in which they began.
   */
  sortBy?: {
    [k: string]: unknown;
  };
  status?: TaskStatuses | null;
}
/**
 * `tasks.list`.
 */
export interface TasksListResult {
  tasks: TaskEntry[];
}
/**
 * A subagent's run that has not ended, as a task.
 */
export interface TaskEntry {
  agentId: AgentId;
  childSessionKey: SessionKey;
  createdAt: UnixMillis;
  id: string;
  lastToolName?: string | null;
  runId: RunId;
  /**
   * `subagent`.
   */
  runtime: string;
  sessionKey: SessionKey;
  /**
   * `queued` or `running`.
   */
  status: string;
  title?: string | null;
}
/**
 * `tidegate.approvals.decide`.
 */
export interface DecideApproval {
  /**
   * The approval's id, or at least its first 4 characters.
   */
  id: string;
  verdict: ApprovalVerdict;
}
/**
 * `tidegate.audit`.
 */
export interface Audit {
  limit?: number | null;
}
/**
 * `tidegate.audit`.
 */
export interface AuditResult {
  events: AuditEntry[];
}
/**
 * One entry of the audit log.
 */
export interface AuditEntry {
  at: UnixMillis;
  kind: AuditKind;
  /**
   * The line of the log.
   */
  line: string;
  /**
   * What happened, for the person.
   */
  sentence: string;
  severity: Severity;
  /**
   * Whom it is about.
   */
  subject: string;
}
/**
 * `tidegate.commands.interrupt`: the command of a tool call.
 */
export interface InterruptCommand {
  /**
   * Needed only where commands of several runs have the same tool call id.
   */
  runId?: RunId | null;
  toolCallId: string;
}
/**
 * `tidegate.commands.interrupt`.
 */
export interface InterruptedResult {
  /**
   * How often a person has interrupted it, this time included.
   */
  interrupts: number;
  runId: RunId;
  toolCallId: string;
}
/**
 * `tidegate.commands.list`, oldest first.
 */
export interface RunningCommandsResult {
  commands: RunningCommandEntry[];
}
/**
 * A command of an agent that runs now.
 */
export interface RunningCommandEntry {
  class: CommandClass;
  /**
   * The command on one line, cut when it is long.
   */
  command: string;
  /**
   * How often a person has interrupted it.
   */
  interrupts: number;
  /**
   * Whether it has a terminal.
   */
  pty: boolean;
  runId: RunId;
  sessionKey: SessionKey;
  sinceMs: UnixMillis;
  toolCallId: string;
}
/**
 * `tidegate.config.confirm`.
 */
export interface ConfirmSetting {
  /**
   * Of exactly the value that was shown.
   */
  digest: string;
  /**
   * Where it stands in the file.
   */
  key: string;
}
/**
 * `tidegate.config.confirm` and `tidegate.config.reject`.
 */
export interface SettingDecidedResult {
  key: string;
  note?: string | null;
  /**
   * `confirmed` or `rejected`.
   */
  state: string;
}
/**
 * `tidegate.config.list`.
 */
export interface ConfigListResult {
  path: string;
  refused: RefusedValue[];
  settings: SettingEntry[];
}
/**
 * A value of the configuration file that never counts.
 */
export interface RefusedValue {
  key: string;
  reason: string;
}
/**
 * A value of the configuration file that opens Tidegate to others.
 */
export interface SettingEntry {
  /**
   * Of exactly this value: a decision names it.
   */
  digest: string;
  /**
   * The first 16 digits of its digest.
   */
  id: string;
  /**
   * Where it stands in the file.
   */
  key: string;
  /**
   * What it opens, in words.
   */
  opens: string;
  /**
   * What counts now.
   */
  present: string[];
  /**
   * Milliseconds since the Unix epoch, as every `ts` and `...AtMs` field of the protocol.
   */
  sinceMs: number;
  /**
   * `waiting`, `confirmed` or `rejected`.
   */
  state: string;
  /**
   * What the file proposes.
   */
  value: string[];
}
/**
 * `tidegate.config.reject`.
 */
export interface RejectSetting {
  /**
   * Of what was shown; it is not rejected when it is something else now.
   */
  digest?: string | null;
  key: string;
}
/**
 * `tidegate.connect`: lines for a shell.
 */
export interface ConnectLinesResult {
  lines: string[];
  once: string[];
  url: string;
  /**
   * The variable that the lines take the token from.
   */
  variable: string;
}
/**
 * `tidegate.token.revoke`, `tidegate.devices.show`, `tidegate.devices.revoke`,
 * `tidegate.devices.block`, `tidegate.devices.unblock`, `tidegate.files.show`,
 * `tidegate.files.discard`: one thing by its id.
 */
export interface ById {
  id: string;
}
/**
 * `tidegate.devices.block`.
 */
export interface BlockedResult {
  blocked: string;
  note?: string | null;
}
/**
 * `tidegate.devices.decide`: a level, or scopes, or neither for all that is asked.
 */
export interface Decide {
  /**
   * Of what was shown; the decision is refused when it is something else now.
   */
  digest?: string | null;
  /**
   * How long a grant lasts.
   */
  duration?: 'always' | 'until-quit' | 'once';
  level?: Level | null;
  /**
   * With a level: it may also manage pairing.
   */
  pairing?: boolean;
  /**
   * The request's id, or at least its first 8 characters.
   */
  requestId: string;
  scopes?: Scope[] | null;
  verdict: VerdictName;
}
/**
 * `tidegate.devices.decide`.
 */
export interface DecidedResult {
  approved: boolean;
  requestId: string;
  subject: string;
}
/**
 * `tidegate.token.revoke` and `tidegate.devices.revoke`.
 */
export interface RevokedResult {
  /**
   * Why it holds only until restart, if so.
   */
  note?: string | null;
  revoked: string;
}
/**
 * A program that was let in.
 */
export interface ProgramEntry {
  approvedAtMs: UnixMillis;
  clientId: string;
  executable: string;
  id: string;
  lastSeenAtMs?: UnixMillis | null;
  lasting: boolean;
  scopes: Scope[];
  script?: string | null;
  uid: number;
}
/**
 * `tidegate.devices.unblock`.
 */
export interface UnblockedResult {
  note?: string | null;
  unblocked: string;
}
/**
 * `tidegate.devices.waiting`, oldest first.
 */
export interface WaitingResult {
  commands: WaitingApproval[];
  requests: PendingDevice[];
  settings: SettingEntry[];
}
/**
 * `tidegate.dialog.open`.
 */
export interface DialogOpenResult {
  opened: boolean;
}
/**
 * `tidegate.doctor`.
 */
export interface DoctorResult {
  checks: DoctorCheck[];
}
/**
 * A check of `tidegate doctor`.
 */
export interface DoctorCheck {
  level: CheckLevel;
  name: string;
  ok: boolean;
  sentence: string;
  todo?: string | null;
}
/**
 * `tidegate.files.keep` and `tidegate.files.discard`.
 */
export interface FileDecidedResult {
  id: string;
  /**
   * Whether it is back where it was.
   */
  kept: boolean;
  path: string;
  workspace: string;
}
/**
 * `tidegate.files.keep`.
 */
export interface KeepFile {
  /**
   * Of what `tidegate.files.show` told; beside a desktop, its dialog shows the file itself.
   */
  digest?: string | null;
  id: string;
}
/**
 * `tidegate.files.list`, oldest first.
 */
export interface FilesListResult {
  files: SetAsideFile[];
}
/**
 * A file that was set aside.
 */
export interface SetAsideFile {
  action: SetAsideAction;
  /**
   * Whether it can be kept: folders, sockets and pipes can not.
   */
  canKeep: boolean;
  /**
   * One of them made it.
   */
  commands: SetAsideCommand[];
  /**
   * What can happen when it is kept, in a sentence.
   */
  effect: string;
  executable: boolean;
  /**
   * Milliseconds since the Unix epoch, as every `ts` and `...AtMs` field of the protocol.
   */
  expiresAtMs: number;
  id: string;
  kind: SetAsideKind;
  /**
   * Where it was, below the workspace: one line.
   */
  path: string;
  /**
   * What it would do: one line.
   */
  reason: string;
  setAsideAtMs: UnixMillis;
  /**
   * Bytes, of a file.
   */
  size?: number | null;
  /**
   * Where it leads, of a link.
   */
  target?: string | null;
  workspace: string;
}
/**
 * A command that ran when a file was set aside.
 */
export interface SetAsideCommand {
  command: string;
  runId: string;
  sessionKey: string;
  toolCallId: string;
}
/**
 * `tidegate.files.show`: a file with what is in it.
 */
export interface SetAsideFileDetails {
  /**
   * Whether it is a file that is no text.
   */
  binary: boolean;
  /**
   * What it says, if it is text: lines whose hidden characters are visible, and tabs spaces.
   */
  content?: string | null;
  /**
   * Whether it has more than is in `content`.
   */
  cut: boolean;
  /**
   * Of exactly this file at this place; `tidegate.files.keep` takes it.
   */
  digest: string;
  file: SetAsideFile;
}
/**
 * `tidegate.files.unshare`.
 */
export interface UnshareFolder {
  /**
   * Whether to do it, and not only to tell what it would be; beside a desktop its dialog asks.
   */
  apply?: boolean;
  /**
   * Absolute, and without symbolic links.
   */
  folder: string;
}
/**
 * `tidegate.files.unshare`: files that other folders hold as well (hard links).
 */
export interface SharedFolder {
  /**
   * Bytes of these.
   */
  bytes: number;
  /**
   * How many; when they were unshared, those that are the folder's own now.
   */
  files: number;
  folder: string;
  /**
   * Files that could not be: not readable, of another user, or changed meanwhile.
   */
  left: number;
  /**
   * The first of them, relative.
   */
  leftFiles: string[];
  /**
   * Files and folders, relative, in which they all lie, or which could not be looked into.
   */
  places: string[];
  /**
   * Whether they were unshared.
   */
  unshared: boolean;
}
/**
 * `tidegate.models.take`: `provider/model`, and who runs the server, as it was shown.
 */
export interface TakeServer {
  model: string;
  owner?: string | null;
}
/**
 * `tidegate.models.use` and `tidegate.models.take`.
 */
export interface ModelsUseResult {
  model: string;
  /**
   * Who runs the server, where it was found on this computer.
   */
  note?: string | null;
  ok: boolean;
}
/**
 * `tidegate.models.use`, `tidegate.models.test`: `provider/model`.
 */
export interface ModelChoice {
  model?: string | null;
}
/**
 * `tidegate.models.test`.
 */
export interface ModelsTestResult {
  error?: string | null;
  firstByteMs?: number | null;
  model: string;
  ok: boolean;
  text?: string | null;
  totalMs?: number | null;
}
/**
 * `tidegate.pause` and `tidegate.resume`.
 */
export interface PausedResult {
  paused: boolean;
}
/**
 * `tidegate.permissions.askEverything`, `tidegate.permissions.use`: what holds from now on.
 */
export interface AskEverythingResult {
  askEverything: boolean;
  /**
   * Whether it also holds after a restart.
   */
  saved: boolean;
}
/**
 * `tidegate.permissions.list`.
 */
export interface PermissionsListResult {
  /**
   * Whether a person is asked about everything, whatever is allowed.
   */
  askEverything: boolean;
  permissions: PermissionEntry[];
  /**
   * What ran unasked since Tidegate started, newest first; not all of much.
   */
  unasked: UnaskedEntry[];
  /**
   * How many commands and files nobody was asked about since Tidegate started.
   */
  unaskedCount: number;
}
/**
 * A permission that is in effect.
 */
export interface PermissionEntry {
  /**
   * Where it ends before it is revoked.
   */
  expiresAtMs?: UnixMillis | null;
  /**
   * The folder that it is for, by its real name.
   */
  folder: string;
  grantedAtMs: UnixMillis;
  id: string;
  kind: PermissionName;
  lastUsedAtMs?: UnixMillis | null;
  /**
   * What commands may need beyond the sandbox.
   */
  needs: Need[];
  /**
   * Of a rule, how its commands begin.
   */
  prefix?: string[] | null;
  /**
   * Of a rule, the file of the program.
   */
  program?: string | null;
  /**
   * What it allows, for how long.
   */
  sentence: string;
  /**
   * Of reading, for which session.
   */
  sessionKey?: string | null;
}
/**
 * A command or a file that nobody was asked about.
 */
export interface UnaskedEntry {
  atMs: UnixMillis;
  digest: string;
  /**
   * The permissions that it used.
   */
  permissions: string[];
  runId?: string | null;
  sessionKey: string;
  /**
   * The command, or the tool and the path, as one line.
   */
  title: string;
}
/**
 * `tidegate.permissions.revoke`.
 */
export interface PermissionRevokedResult {
  /**
   * How many commands were ended that it had allowed.
   */
  endedCommands: number;
  id: string;
  /**
   * Whether it also holds after a restart.
   */
  saved: boolean;
}
/**
 * `tidegate.sessions.workspace`.
 */
export interface SessionWorkspace {
  /**
   * Of what was shown, to choose it; without one this only tells what the choice would be. Beside a
   * desktop its dialog asks.
   */
  digest?: string | null;
  /**
   * By its absolute path; `~` is the home directory. None for the folder that sessions have when
   * nobody chose one for them.
   */
  folder?: string | null;
  key: SessionKey;
}
/**
 * `tidegate.sessions.workspace`.
 */
export interface SessionWorkspaceResult {
  /**
   * The folder of the session until then.
   */
  before: string;
  /**
   * Whether it is chosen now, and not only shown.
   */
  chosen: boolean;
  /**
   * With it the folder is chosen exactly as it is shown here.
   */
  digest: string;
  /**
   * By its real path.
   */
  folder: string;
  /**
   * Whether it is the folder that sessions have when nobody chose one for them.
   */
  isDefault: boolean;
  key: SessionKey;
  /**
   * The session's label, where it has one.
   */
  label?: string | null;
  /**
   * How many of its files other folders hold as well (hard links). None where that could not be
   * found out.
   */
  sharedFiles?: number | null;
  /**
   * Files and folders in it, relative, in which they all lie.
   */
  sharedPlaces: string[];
}
/**
 * `tidegate.status`.
 */
export interface TidegateStatusResult {
  active: ActiveRun[];
  /**
   * What does not work as it should, in sentences.
   */
  degraded: string[];
  /**
   * Only beside a desktop.
   */
  desktop?: DesktopStatus | null;
  gateway: GatewayStatus;
  models: ModelsStatus;
  /**
   * Whether our own key is the keyring's, in a sentence.
   */
  ownKey?: string | null;
  paused: boolean;
  pid: number;
  port: number;
  sandbox: SandboxStatus;
  secrets: Condition;
  /**
   * Files that agents' commands planted and that wait for the person.
   */
  setAsideFiles: number;
  stateDir: string;
  store: Condition;
  uptimeMs: number;
  url: string;
  version: string;
}
/**
 * A run that works or waits.
 */
export interface ActiveRun {
  activity: RunActivity;
  label?: string | null;
  parent?: RunId | null;
  runId: RunId;
  sessionKey: SessionKey;
  since: UnixMillis;
}
/**
 * What a desktop's shell says of itself.
 */
export interface DesktopStatus {
  /**
   * Whether Tidegate starts at login.
   */
  autostart: boolean;
  notifications: DesktopSurface;
  tray: DesktopSurface;
}
/**
 * One part of the desktop.
 */
export interface DesktopSurface {
  /**
   * Why it is missing and what to do; empty otherwise.
   */
  sentence: string;
  state: SurfaceState;
}
/**
 * The gateway in numbers.
 */
export interface GatewayStatus {
  /**
   * Whether a person is asked about everything, whatever is allowed.
   */
  askEverything: boolean;
  blocked: number;
  connections: number;
  devices: number;
  ownClient?: OwnClient | null;
  programs: number;
  ready: boolean;
  tokens: number;
  /**
   * How many commands nobody was asked about since Tidegate started.
   */
  unasked: number;
  waitingCommands: number;
  waitingRequests: number;
  /**
   * Values of the configuration file that wait for the person.
   */
  waitingSettings: number;
}
/**
 * Our own client.
 */
export interface OwnClient {
  admittedAtMs?: UnixMillis | null;
  deviceId: DeviceId;
}
/**
 * The model that is used when nobody chooses.
 */
export interface ModelsStatus {
  /**
   * `provider/model`.
   */
  default: string;
  /**
   * Whether it is the built-in demo without intelligence.
   */
  offline: boolean;
}
/**
 * Whether commands of agents run in a sandbox, as a trial on this computer found.
 */
export interface SandboxStatus {
  /**
   * Whether every layer that a sandbox needs holds.
   */
  contained: boolean;
  layers: SandboxLayer[];
  sentence: string;
  /**
   * What to do where it is not.
   */
  todo?: string | null;
  /**
   * Folders of toolchains that every sandbox can read.
   */
  toolchains: string[];
}
/**
 * A layer of the sandbox.
 */
export interface SandboxLayer {
  holds: boolean;
  name: string;
  /**
   * What was seen where it does not hold.
   */
  reason?: string | null;
  /**
   * Whether there is no sandbox without it.
   */
  required: boolean;
}
/**
 * A state with words for it.
 */
export interface Condition {
  sentence: string;
  state: string;
}
/**
 * `tidegate.token.list`.
 */
export interface TokenListResult {
  programs: ProgramEntry[];
  sharedToken: boolean;
  tokens: ProgramTokenEntry[];
}
/**
 * A program's token, without the token.
 */
export interface ProgramTokenEntry {
  createdAtMs: UnixMillis;
  id: string;
  lastUsedAtMs?: UnixMillis | null;
  level: Level;
  name: string;
  pairing: boolean;
  scopes: Scope[];
}
/**
 * `tidegate.token.new`.
 */
export interface TokenNew {
  level: Level;
  name: string;
  pairing?: boolean;
}
/**
 * `tidegate.token.new`: the token is shown once.
 */
export interface TokenNewResult {
  createdAtMs: UnixMillis;
  id: string;
  lastUsedAtMs?: UnixMillis | null;
  level: Level;
  name: string;
  pairing: boolean;
  scopes: Scope[];
  token: string;
}
/**
 * `tools.catalog`.
 */
export interface ToolsCatalog {
  agentId?: AgentId | null;
  /**
   * Ignored: there are no plugins.
   */
  includePlugins?: {
    [k: string]: unknown;
  };
}
/**
 * `tools.catalog`.
 */
export interface ToolsCatalogResult {
  agentId: string;
  groups: ToolGroup[];
  profiles: ToolProfile[];
}
/**
 * Tools that belong together.
 */
export interface ToolGroup {
  id: string;
  label: string;
  source: string;
  tools: ToolEntry[];
}
/**
 * One of the tools that agents have.
 */
export interface ToolEntry {
  defaultProfiles: string[];
  description: string;
  id: string;
  label: string;
  source: string;
}
/**
 * A choice of tools.
 */
export interface ToolProfile {
  id: string;
  label: string;
}
/**
 * `update.status`.
 */
export interface UpdateStatus {
  /**
   * Ignored: Tidegate looks for no updates.
   */
  refreshCheckout?: {
    [k: string]: unknown;
  };
}
/**
 * `update.status`: Tidegate looks for no updates.
 */
export interface UpdateStatusResult {
  sentinel?: unknown;
  updateAvailable?: unknown;
}
/**
 * `usage.status`: quotas of providers' accounts.
 */
export interface UsageStatusResult {
  providers: unknown[];
  updatedAt: UnixMillis;
}
/**
 * What the gateway tells by itself.
 */
export interface Events {
  agent: AgentEvent;
  chat: ChatEvent;
  'connect.challenge': ConnectChallengeEvent;
  'device.pair.requested': PendingDevice;
  'device.pair.resolved': DevicePairResolvedEvent;
  'exec.approval.requested': WaitingApproval;
  'exec.approval.resolved': ApprovalResolvedEvent;
  health: HealthResult;
  presence: PresenceEvent;
  'session.message': SessionMessageEvent;
  'session.tool': AgentEvent;
  'sessions.changed': SessionsChangedEvent;
  shutdown: ShutdownEvent;
  tick: TickEvent;
  'tidegate.changed': ChangedEvent;
  'tidegate.refused': RefusedEvent;
  'tidegate.welcome': WelcomeEvent;
}
/**
 * `agent` and `session.tool`: a step of a run.
 */
export interface AgentEvent {
  agentId: AgentId;
  data: AgentData;
  runId: RunId;
  seq: number;
  /**
   * With `lifecycle`: the transcript that the run writes to.
   */
  sessionId?: SessionId | null;
  sessionKey: SessionKey;
  spawnedBy?: SessionKey | null;
  /**
   * `lifecycle`, `assistant` or `tool`.
   */
  stream: string;
  ts: UnixMillis;
}
/**
 * What happened; which fields there are depends on the stream and the phase.
 */
export interface AgentData {
  aborted?: boolean | null;
  args?: unknown;
  delta?: string | null;
  endedAt?: UnixMillis | null;
  error?: string | null;
  executionSettled?: boolean | null;
  isError?: boolean | null;
  /**
   * With `assistant`: which answer of the run it is, `RUN:NUMBER` from 1.
   */
  itemId?: string | null;
  model?: string | null;
  name?: string | null;
  /**
   * With `update`: the end of what there is of the result, in the place of what the update before
   * said.
   */
  partialResult?: ToolResult | null;
  /**
   * `start`, `model`, `end` or `error`; `start`, `update` or `result` of a tool.
   */
  phase?: string | null;
  provider?: string | null;
  result?: ToolResult | null;
  startedAt?: UnixMillis | null;
  stopReason?: string | null;
  text?: string | null;
  toolCallId?: string | null;
}
/**
 * What a tool answered.
 */
export interface ToolResult {
  content: ContentBlock[];
}
/**
 * `chat`: the text so far, or the end of a turn.
 */
export interface ChatEvent {
  agentId: AgentId;
  /**
   * What is new since the last one.
   */
  deltaText?: string | null;
  errorKind?: string | null;
  errorMessage?: string | null;
  message?: ChatMessage | null;
  runId: RunId;
  /**
   * Counted in the run.
   */
  seq: number;
  sessionKey: SessionKey;
  spawnedBy?: SessionKey | null;
  state: ChatState;
  stopReason?: string | null;
}
/**
 * `connect.challenge`.
 */
export interface ConnectChallengeEvent {
  nonce: string;
  ts: number;
}
/**
 * `device.pair.resolved`.
 */
export interface DevicePairResolvedEvent {
  /**
   * `approved` or `rejected`.
   */
  decision: string;
  deviceId: string;
  requestId: string;
  ts: UnixMillis;
}
/**
 * `exec.approval.resolved`.
 */
export interface ApprovalResolvedEvent {
  decision?: ApprovalDecision | null;
  id: string;
  resolvedBy?: string | null;
  ts: UnixMillis;
}
/**
 * `presence`.
 */
export interface PresenceEvent {
  presence: PresenceEntry[];
}
/**
 * `session.message`: an entry of a transcript that is watched.
 */
export interface SessionMessageEvent {
  agentId: AgentId;
  message: ChatMessage;
  messageId: string;
  messageSeq: number;
  /**
   * The session as lists show it.
   */
  session?: SessionEntry | null;
  sessionKey: SessionKey;
}
/**
 * `sessions.changed`: to those who watch sessions.
 */
export interface SessionsChangedEvent {
  agentId: AgentId;
  phase?: string | null;
  reason?: string | null;
  runId?: RunId | null;
  session?: SessionEntry | null;
  sessionKey: SessionKey;
  ts: UnixMillis;
}
/**
 * `shutdown`.
 */
export interface ShutdownEvent {
  reason: string;
  restartExpectedMs?: number | null;
}
/**
 * `tick`.
 */
export interface TickEvent {
  ts: UnixMillis;
}
/**
 * `tidegate.refused`: why a surface was not let in.
 */
export interface RefusedEvent {
  reason: string;
}
/**
 * `tidegate.welcome`: the first frame to a surface of the person.
 */
export interface WelcomeEvent {
  /**
   * Whether a dialog is there for the person to decide in.
   */
  desktop: boolean;
  version: string;
}
