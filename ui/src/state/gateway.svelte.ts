/** What every page may want to know: the connection, the gateway's state, what waits, sessions. */

import type { Backend, ConnectionState } from '../backend/backend';
import type {
  AuditEntry,
  DoctorCheck,
  ConnectLinesResult,
  ModelListEntry,
  DevicePairListResult,
  PermissionsListResult,
  SessionEntry,
  SetAsideFile,
  TidegateStatusResult,
  TokenListResult,
  WaitingResult,
} from '../generated/protocol';

import { isAsking } from '../lib/asking';
import { plainText } from '../lib/conversation';

import { Resource } from './resource.svelte';

/** Changes that come together are asked for once. */
const SETTLE = 60;
const SESSIONS = 500;

export class GatewayState {
  readonly backend: Backend;
  connection = $state.raw<ConnectionState>({ kind: 'starting' });
  /** Whether the gateway was reached since this window opened. */
  wasConnected = $state(false);
  /** Whether the gateway said that it restarts, and is not back yet. */
  isRestarting = $state(false);
  /** The time, for ages and time left; moves once a second. */
  now = $state(Date.now());
  /** What a screen reader reads; set by `announce`. */
  announcement = $state('');
  sessionsTotal = $state(0);
  #sessions = $state.raw<ReadonlyMap<string, SessionEntry>>(new Map());
  #timers = new Map<Resource<unknown>, ReturnType<typeof setTimeout>>();

  readonly status: Resource<TidegateStatusResult>;
  readonly checks: Resource<DoctorCheck[]>;
  readonly waiting: Resource<WaitingResult>;
  /** Files that agents' commands planted and that were set aside. */
  readonly files: Resource<SetAsideFile[]>;
  /** What agents may do without asking, and what ran that way. */
  readonly permissions: Resource<PermissionsListResult>;
  readonly devices: Resource<DevicePairListResult>;
  readonly tokens: Resource<TokenListResult>;
  readonly audit: Resource<AuditEntry[]>;
  readonly models: Resource<ModelListEntry[]>;
  readonly connectLines: Resource<ConnectLinesResult>;
  /** Whether the sessions were read; they are in `sessions`. */
  readonly sessionList: Resource<boolean>;

  constructor(backend: Backend) {
    this.backend = backend;
    this.status = new Resource(() => backend.request('tidegate.status', {}));
    this.checks = new Resource(async () => (await backend.request('tidegate.doctor', {})).checks);
    this.waiting = new Resource(() => backend.request('tidegate.devices.waiting', {}));
    this.files = new Resource(async () => (await backend.request('tidegate.files.list', {})).files);
    this.permissions = new Resource(() => backend.request('tidegate.permissions.list', {}));
    this.devices = new Resource(() => backend.request('device.pair.list', {}));
    this.tokens = new Resource(() => backend.request('tidegate.token.list', {}));
    this.audit = new Resource(async () => (await backend.request('tidegate.audit', { limit: 100 })).events);
    this.models = new Resource(async () => (await backend.request('models.list', {})).models);
    this.connectLines = new Resource(() => backend.request('tidegate.connect', {}));
    this.sessionList = new Resource(async () => {
      const answer = await backend.request('sessions.list', { limit: SESSIONS, includeLastMessage: true });
      this.#sessions = new Map(answer.sessions.map((row) => [row.key, row]));
      this.sessionsTotal = answer.totalCount;
      return true;
    });

    this.connection = backend.state;
    backend.onState((state) => {
      const before = this.connection.kind;
      this.connection = state;
      if (state.kind === 'connected' && before !== 'connected') this.#connected();
      if (state.kind === 'lost' && before === 'connected') {
        this.announce(this.isRestarting ? 'The gateway restarts.' : 'Disconnected from the gateway.');
      }
    });
    if (backend.state.kind === 'connected') this.#connected();

    backend.on('shutdown', ({ reason }) => (this.isRestarting = reason === 'restart'));

    const waitingChanged = () => {
      this.soon(this.waiting);
      this.soon(this.status);
      if (this.audit.value) this.soon(this.audit);
    };
    backend.on('tidegate.changed', () => {
      waitingChanged();
      this.soon(this.files);
      for (const resource of [this.permissions, this.devices, this.tokens, this.models, this.checks]) {
        if (resource.value) this.soon(resource);
      }
    });
    backend.on('device.pair.requested', waitingChanged);
    backend.on('device.pair.resolved', () => {
      waitingChanged();
      if (this.devices.value) this.soon(this.devices);
      if (this.tokens.value) this.soon(this.tokens);
    });
    backend.on('exec.approval.requested', waitingChanged);
    backend.on('exec.approval.resolved', waitingChanged);
    backend.on('tick', () => this.soon(this.status));
    backend.on('sessions.changed', (event) => {
      const sessions = new Map(this.#sessions);
      const before = sessions.get(event.sessionKey);
      if (event.reason === 'delete') sessions.delete(event.sessionKey);
      else if (event.session) {
        const lastMessagePreview = before?.lastMessagePreview ?? null;
        sessions.set(event.sessionKey, { lastMessagePreview, ...event.session });
      }
      this.#sessions = sessions;
      this.soon(this.status);
    });
    backend.on('session.message', ({ sessionKey, message }) => {
      const row = this.#sessions.get(sessionKey);
      const lastMessagePreview = plainText(message.content).slice(0, 400);
      if (!row || !lastMessagePreview || message.role === 'toolResult') return;
      this.#sessions = new Map(this.#sessions).set(row.key, { ...row, lastMessagePreview });
    });
    setInterval(() => (this.now = Date.now()), 1000);
  }

  /** Sessions, the one with the newest change first. */
  get sessions(): SessionEntry[] {
    return [...this.#sessions.values()].sort((a, b) => b.updatedAt - a.updatedAt);
  }

  session(key: string): SessionEntry | undefined {
    return this.#sessions.get(key);
  }

  get isConnected(): boolean {
    return this.connection.kind === 'connected';
  }

  /** How many requests, commands and values of the configuration wait for the person. */
  get waitingCount(): number {
    const waiting = this.waiting.value;
    return waiting ? waiting.requests.length + waiting.commands.length + waiting.settings.length : 0;
  }

  /** Files that commands of a session planted and that were set aside. */
  filesOf(sessionKey: string): SetAsideFile[] {
    return (this.files.value ?? []).filter((file) => file.commands[0]?.sessionKey === sessionKey);
  }

  /** What a run of this session does now. */
  activity(sessionKey: string): string | undefined {
    return this.status.value?.active.find((run) => run.sessionKey === sessionKey)?.activity;
  }

  /** Whether something in this session, or in one of its subagents, waits for the person's decision. */
  asks(sessionKey: string): boolean {
    return isAsking(sessionKey, this.waiting.value?.commands ?? [], this.status.value?.active ?? []);
  }

  /** Asks again, once for changes that come together. */
  soon(resource: Resource<unknown>): void {
    if (this.#timers.has(resource) || !this.isConnected) return;
    const timer = setTimeout(() => {
      this.#timers.delete(resource);
      void resource.refresh();
    }, SETTLE);
    this.#timers.set(resource, timer);
  }

  /** Tells a screen reader. The same sentence twice is read twice. */
  announce(sentence: string): void {
    this.announcement = this.announcement === sentence ? `${sentence}\u00a0` : sentence;
  }

  #connected(): void {
    this.wasConnected = true;
    this.isRestarting = false;
    this.announce('Connected to the gateway.');
    void this.backend.request('sessions.subscribe', {}).catch(() => undefined);
    const always: Resource<unknown>[] = [this.status, this.waiting, this.files, this.sessionList];
    for (const resource of always) void resource.refresh();
    const asked: Resource<unknown>[] = [
      this.checks,
      this.permissions,
      this.devices,
      this.tokens,
      this.audit,
      this.models,
      this.connectLines,
    ];
    // What a page showed before the gateway went away is read again.
    for (const resource of asked) if (resource.value !== null || resource.error) void resource.refresh();
  }
}
