/** A made-up gateway: it answers what the window asks, from a world, and changes that world. */

import type {
  ChatHistory,
  ChatHistoryPage,
  ChatMessage,
  Events,
  Methods,
  SessionEntry,
  SetAsideFileDetails,
} from '../generated/protocol';

import { blockOf } from './devices';
import { entry } from './sessions';
import { said } from './transcripts';
import type { World } from './world';

/** What a window may never do; its own dialog decides, or nobody. */
const DECIDED_ELSEWHERE = new Set([
  'device.pair.approve',
  'device.pair.rename',
  'device.token.rotate',
  'tidegate.devices.unblock',
  'tidegate.token.new',
  'tidegate.token.rotate',
  'tidegate.token.show',
  'tidegate.models.add',
  'tidegate.models.take',
  'tidegate.files.keep',
  'tidegate.stop',
  'exec.approval.request',
  'sessions.patch',
  'sessions.reset',
  'sessions.delete',
  'system-event',
  'tidegate.selftest',
]);

const PIECE_EVERY = 60;

interface RequestFrame {
  id: string;
  method: string;
  params: Record<string, unknown>;
}

/** Answers as the gateway's: the types hold the stand-in to the protocol. */
type Handlers = {
  [Method in keyof Methods]?: (params: Methods[Method]['params']) => Methods[Method]['result'];
};

class Refusal extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly details?: unknown,
  ) {
    super(message);
  }
}

export class FakeGateway {
  /** Every request, in order. */
  readonly requests: { method: string; params: Record<string, unknown> }[] = [];
  #send: (text: string) => void;
  #stopped = new Set<string>();
  #handlers: Handlers;

  constructor(
    readonly world: World,
    send: (text: string) => void,
  ) {
    this.#send = send;
    this.#handlers = { ...this.#looking(), ...this.#working(), ...this.#narrowing() };
  }

  emit(event: string, payload: unknown): void {
    this.#send(JSON.stringify({ type: 'event', event, payload }));
  }

  receive(text: string): void {
    const frame = JSON.parse(text) as RequestFrame;
    this.requests.push({ method: frame.method, params: frame.params });
    // A gateway answers a little later.
    setTimeout(() => this.#answer(frame), 5);
  }

  #answer(frame: RequestFrame): void {
    const base = { type: 'res', id: frame.id };
    try {
      const payload = this.#call(frame.method, frame.params ?? {});
      this.#send(JSON.stringify({ ...base, ok: true, payload }));
    } catch (error) {
      const code = error instanceof Refusal ? error.code : 'UNAVAILABLE';
      const message = error instanceof Error ? error.message : String(error);
      const details = error instanceof Refusal ? error.details : undefined;
      this.#send(JSON.stringify({ ...base, ok: false, error: { code, message, details } }));
    }
  }

  #call(method: string, params: Record<string, unknown>): unknown {
    const { world } = this;
    const isQuestion =
      method === 'tidegate.models.take' ||
      method === 'tidegate.permissions.use' ||
      (method === 'tidegate.files.keep' && world.files.some(({ file }) => file.id === params['id'])) ||
      (method === 'tidegate.devices.unblock' && world.blocked.some((one) => one.id === params['id']));
    if (isQuestion) {
      throw new Refusal('FORBIDDEN', "Tidegate's dialog was opened; decide there", {
        reason: 'DESKTOP_DECIDES',
        opened: true,
      });
    }
    if (DECIDED_ELSEWHERE.has(method)) {
      throw new Refusal('FORBIDDEN', "this is decided in Tidegate's own dialog, not in a window");
    }
    if (world.scenario === 'failing' && method !== 'sessions.subscribe') {
      throw new Refusal('UNAVAILABLE', 'the store cannot be read: the disk is full');
    }
    const handlers = this.#handlers as Record<string, ((params: unknown) => unknown) | undefined>;
    const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
    if (!handler) throw new Refusal('INVALID_REQUEST', `unknown method: ${method}`);
    return handler(params);
  }

  #looking(): Handlers {
    const { world } = this;
    return {
      'tidegate.status': () => ({
        ...world.status,
        gateway: {
          ...world.status.gateway,
          waitingRequests: world.waiting.requests.length,
          waitingCommands: world.waiting.commands.length,
          waitingSettings: world.waiting.settings.length,
          unasked: world.permissions.unaskedCount,
          askEverything: world.permissions.askEverything,
        },
        setAsideFiles: world.files.length,
      }),
      'tidegate.doctor': () => ({ checks: world.checks }),
      'tidegate.connect': () => ({
        url: world.status.url,
        variable: 'TIDEGATE_OPENCLAW_TOKEN',
        lines: [
          'openclaw config set gateway.mode remote',
          `openclaw config set gateway.remote.url ${world.status.url}`,
          'openclaw config set gateway.remote.token "$TIDEGATE_OPENCLAW_TOKEN"',
        ],
        once: [
          `openclaw gateway health --url ${world.status.url} --token "$TIDEGATE_OPENCLAW_TOKEN"`,
          `openclaw tui --url ${world.status.url} --token "$TIDEGATE_OPENCLAW_TOKEN"`,
        ],
      }),
      'tidegate.devices.waiting': () => world.waiting,
      'tidegate.files.list': () => ({ files: world.files.map(({ file }) => file) }),
      'tidegate.permissions.list': () => world.permissions,
      'tidegate.files.show': ({ id }) => this.#file(id),
      'device.pair.list': () => ({ pending: [], paired: world.devices, blocked: world.blocked }),
      'tidegate.token.list': () => world.tokens,
      'tidegate.audit': () => ({ events: world.audit }),
      'models.list': () => ({ models: world.models }),
      'sessions.list': () => ({
        ts: Date.now(),
        path: 'tidegate.sqlite',
        count: world.sessions.length,
        totalCount: world.sessions.length,
        limitApplied: 500,
        hasMore: false,
        owners: [],
        defaults: {},
        sessions: world.sessions,
      }),
      'sessions.subscribe': () => ({ subscribed: true }),
      'chat.history': (params) => this.#history(params),
    };
  }

  #working(): Handlers {
    const { world } = this;
    return {
      'tidegate.dialog.open': () => ({ opened: true }),
      'tidegate.models.use': ({ model }) => {
        const chosen = model ?? '';
        world.status.models = { default: chosen, offline: chosen.startsWith('offline/') };
        for (const one of world.models) {
          one.tags = `${one.provider}/${one.id}` === chosen ? ['default'] : [];
        }
        this.#changed();
        return { ok: true, model: chosen };
      },
      'tidegate.models.test': ({ model }) => {
        const name = model ?? world.status.models.default;
        return name.startsWith('lmstudio/')
          ? { ok: false, model: name, error: 'LM Studio closed the connection.' }
          : { ok: true, model: name, firstByteMs: 180, totalMs: 420, text: 'ready' };
      },
      'tidegate.resume': () => this.#pause(false),
      'chat.send': ({ sessionKey, message, idempotencyKey }) =>
        this.#turn(sessionKey, message, idempotencyKey),
    };
  }

  #narrowing(): Handlers {
    const { world } = this;
    return {
      'tidegate.pause': () => this.#pause(true),
      'tidegate.commands.interrupt': ({ toolCallId, runId }) => ({
        runId: runId ?? 'run',
        toolCallId,
        interrupts: 1,
      }),
      'device.pair.reject': ({ requestId }) => {
        const request = world.waiting.requests.find((one) => one.requestId === requestId);
        this.#forget(request?.deviceId ?? '');
        this.emit('device.pair.resolved', { requestId, decision: 'rejected' });
        this.#changed();
        return { requestId, deviceId: request?.deviceId ?? '' };
      },
      'tidegate.devices.revoke': ({ id }) => {
        this.#forget(id);
        this.#changed();
        return { revoked: id };
      },
      'tidegate.devices.block': ({ id }) => {
        const device = world.devices.find((one) => one.deviceId === id);
        const program = world.tokens.programs.find((one) => one.id === id);
        if (!device && !program) throw new Refusal('INVALID_REQUEST', 'unknown device');
        this.#block(program?.script ?? id, device?.displayName ?? '');
        this.#forget(id);
        this.#changed();
        return { blocked: id };
      },
      'tidegate.devices.decide': ({ requestId, verdict }) => {
        if (verdict === 'approve') {
          throw new Refusal('FORBIDDEN', "Tidegate's dialog was opened; decide there");
        }
        const request = world.waiting.requests.find((one) => one.requestId === requestId);
        if (!request) throw new Refusal('INVALID_REQUEST', 'no request waits under this id');
        if (verdict === 'block') {
          this.#block(request.deviceId.replace('program:', ''), request.displayName ?? '');
        }
        this.#forget(request.deviceId);
        this.#changed();
        return { requestId, subject: request.deviceId, approved: false };
      },
      'tidegate.files.discard': ({ id }) => {
        const { path, workspace } = this.#file(id).file;
        world.files = world.files.filter(({ file }) => file.id !== id);
        this.#changed();
        return { id, path, workspace, kept: false };
      },
      'tidegate.token.revoke': ({ id }) => {
        world.tokens.tokens = world.tokens.tokens.filter((one) => one.id !== id);
        this.#changed();
        return { revoked: id };
      },
      'tidegate.permissions.revoke': ({ id }) => {
        const { permissions } = world.permissions;
        if (!permissions.some((one) => one.id === id))
          throw new Refusal('INVALID_REQUEST', 'unknown permission');
        world.permissions.permissions = permissions.filter((one) => one.id !== id);
        this.#changed();
        return { id, saved: true, endedCommands: id.endsWith('1') ? 1 : 0 };
      },
      'tidegate.permissions.askEverything': () => {
        world.permissions.askEverything = true;
        this.#changed();
        return { askEverything: true, saved: true };
      },
      'tidegate.approvals.decide': ({ id, verdict }) => {
        if (verdict.decision !== 'deny') {
          throw new Refusal('FORBIDDEN', "commands are allowed in Tidegate's own dialog, not in a window");
        }
        world.waiting.commands = world.waiting.commands.filter((one) => one.id !== id);
        this.emit('exec.approval.resolved', { id, decision: 'deny' });
        this.#changed();
        return { ok: true };
      },
      'chat.abort': ({ sessionKey }) => this.#abort(sessionKey),
    };
  }

  #file(id: string): SetAsideFileDetails {
    const found = this.world.files.find(({ file }) => file.id === id);
    if (!found) throw new Refusal('INVALID_REQUEST', 'no file is set aside under this id');
    return found;
  }

  #block(id: string, name: string): void {
    this.world.blocked.push(blockOf(id, name, Date.now()));
  }

  /** Takes a device or program out of everything that it is in. */
  #forget(id: string): void {
    const { world } = this;
    world.devices = world.devices.filter((one) => one.deviceId !== id);
    world.tokens.programs = world.tokens.programs.filter((one) => one.id !== id);
    world.waiting.requests = world.waiting.requests.filter((one) => one.deviceId !== id);
  }

  #pause(isPaused: boolean): Methods['tidegate.pause']['result'] {
    this.world.status.paused = isPaused;
    this.#changed();
    return { paused: isPaused };
  }

  #changed(): void {
    this.emit('tidegate.changed', {});
  }

  #history({ sessionKey: key, limit, offset }: ChatHistory): ChatHistoryPage {
    const all = this.world.transcripts.get(key) ?? [];
    const row = this.world.sessions.find((session) => session.key === key);
    const end = Math.max(0, all.length - (offset ?? 0));
    const start = Math.max(0, end - Math.min(limit ?? 200, 1000));
    return {
      sessionKey: key,
      sessionId: row?.sessionId ?? `${key}#1`,
      messages: all.slice(start, end),
      ...(offset === undefined ? {} : { offset }),
      ...(start > 0 ? { nextOffset: all.length - start } : {}),
      hasMore: start > 0,
      totalMessages: all.length,
      defaults: {},
      thinkingLevel: 'off',
      sessionInfo: row ?? null,
    };
  }

  #turn(key: string, message: string, run: string): Methods['chat.send']['result'] {
    if (message.includes('[refuse]')) throw new Refusal('UNAVAILABLE', 'too many runs wait; try again');
    this.#session(
      key,
      { status: 'running', lastRunId: run, startedAt: Date.now() },
      { phase: 'start', runId: run },
    );
    this.#append(key, said(this.#next(key), 'user', message, Date.now()), run);
    if (message.includes('[fail]')) {
      setTimeout(() => {
        const failed = {
          ...assistant(''),
          stopReason: 'error',
          errorMessage: 'the model server answered 500',
        };
        if (!message.includes('[lost]')) this.#append(key, { ...failed, content: [] }, run);
        this.#chat(key, run, { state: 'error', errorMessage: 'the model server answered 500' });
        this.#session(key, { status: 'failed' }, { phase: 'end', runId: run });
      }, 100);
      return { runId: run, status: 'started' };
    }
    const isSlow = message.includes('[slow]');
    const words =
      `You wrote: *${message.replace(/[*_`[\]]/g, ' ').trim()}*. This answer comes word by word, so that the stream can be seen. `
        .repeat(isSlow ? 20 : 1)
        .split(/(?<= )/);
    let written = '';
    const piece = () => {
      if (this.#stopped.delete(run)) {
        this.#chat(key, run, { state: 'aborted', message: assistant(written) });
        this.#session(key, { status: 'killed', endedAt: Date.now() }, { phase: 'end', runId: run });
        return;
      }
      const word = words.shift();
      if (word !== undefined) {
        written += word;
        this.#chat(key, run, { state: 'delta', message: assistant(written) });
        setTimeout(piece, PIECE_EVERY);
        return;
      }
      this.#append(key, said(this.#next(key), 'assistant', written.trim(), Date.now()), run);
      this.#chat(key, run, { state: 'final', message: assistant(written) });
      this.#session(key, { status: 'done', endedAt: Date.now() }, { phase: 'end', runId: run });
    };
    setTimeout(piece, PIECE_EVERY);
    return { runId: run, status: 'started' };
  }

  #abort(key: string): Methods['chat.abort']['result'] {
    const row = this.world.sessions.find((session) => session.key === key);
    if (!row?.lastRunId || row.status !== 'running') return { ok: true, aborted: false, runIds: [] };
    this.#stopped.add(row.lastRunId);
    this.world.status.active = this.world.status.active.filter((run) => run.sessionKey !== key);
    this.#session(key, { status: 'killed', endedAt: Date.now() }, { phase: 'end', runId: row.lastRunId });
    return { ok: true, aborted: true, runIds: [row.lastRunId] };
  }

  #next(key: string): number {
    return (this.world.transcripts.get(key)?.at(-1)?.__openclaw?.seq ?? 0) + 1;
  }

  #append(key: string, message: ChatMessage, run: string): void {
    const seq = this.#next(key);
    const whole = { ...message, __openclaw: { id: `m${seq}`, seq, runId: run } };
    this.world.transcripts.set(key, [...(this.world.transcripts.get(key) ?? []), whole]);
    this.emit('session.message', { sessionKey: key, message: whole });
  }

  #chat(key: string, run: string, more: Pick<Events['chat'], 'state'> & Partial<Events['chat']>): void {
    this.emit('chat', { sessionKey: key, runId: run, ...more });
  }

  #session(key: string, change: Partial<SessionEntry>, more: Record<string, unknown>): void {
    let row = this.world.sessions.find((session) => session.key === key);
    if (!row) {
      row = entry(key, { createdAt: Date.now(), updatedAt: Date.now() });
      this.world.sessions.unshift(row);
    }
    Object.assign(row, { updatedAt: Date.now() }, change);
    this.emit('sessions.changed', { sessionKey: key, session: { ...row }, ...more });
  }
}

function assistant(text: string): ChatMessage {
  return { role: 'assistant', content: [{ type: 'text', text }] };
}
