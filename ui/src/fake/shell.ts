/**
 * Stands in for the desktop shell: the same two calls, with a made-up gateway behind them. For
 * browser tests and for `npm run dev`; never part of the built window.
 */

import type { SessionRow, TranscriptMessage } from '../backend/protocol';

import { type Scenario, type World, makeWorld, said } from './world';

/** What a window may never do; its own dialog decides, or nobody. */
const DECIDED_ELSEWHERE = new Set([
  'device.pair.approve',
  'device.pair.rename',
  'device.token.rotate',
  'tidegate.devices.decide',
  'tidegate.devices.unblock',
  'tidegate.token.new',
  'tidegate.token.rotate',
  'tidegate.token.show',
  'tidegate.models.add',
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

class Refusal extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly details?: unknown,
  ) {
    super(message);
  }
}

export interface FakeShell {
  world: World;
  /** Every request, in order. */
  requests: { method: string; params: Record<string, unknown> }[];
  /** Sends an event to the window. */
  emit(event: string, payload: unknown): void;
  /** Ends the connection; with `keepAway` the next ones fail too. */
  drop(reason: string, keepAway?: boolean): void;
  /** Lets connections succeed again. */
  comeBack(): void;
}

/** Puts the stand-in where `@tauri-apps/api` looks for the shell. */
export function installFakeShell(scenario: Scenario, now = Date.now()): FakeShell {
  const callbacks = new Map<number, (value: unknown) => void>();
  let nextCallback = 1;
  let channel: { id: number; index: number } | null = null;
  let isAway = scenario === 'starting';
  const gateway = new FakeGateway(makeWorld(scenario, now), (text) => deliver(text));

  function deliver(message: unknown): void {
    if (!channel) return;
    callbacks.get(channel.id)?.({ message, index: channel.index++ });
  }

  const shell: FakeShell = {
    world: gateway.world,
    requests: gateway.requests,
    emit: (event, payload) => gateway.emit(event, payload),
    drop(reason, keepAway = false) {
      isAway = keepAway;
      deliver({ closed: reason });
      channel = null;
    },
    comeBack() {
      isAway = false;
    },
  };

  async function invoke(command: string, args: Record<string, unknown>): Promise<unknown> {
    await Promise.resolve();
    if (command === 'backend_open') {
      if (isAway) throw scenario === 'starting' ? 'The gateway is starting.' : 'The gateway does not run.';
      channel = { id: (args['channel'] as { id: number }).id, index: 0 };
      gateway.emit('tidegate.welcome', { version: gateway.world.status.version, desktop: true });
      return null;
    }
    if (command === 'backend_send') {
      if (!channel) throw 'The gateway does not run.';
      gateway.receive(String(args['text']));
      return null;
    }
    throw `${command} is not allowed here`;
  }

  Object.assign(window, {
    __fake: shell,
    __TAURI_INTERNALS__: {
      invoke,
      transformCallback(callback: (value: unknown) => void): number {
        callbacks.set(nextCallback, callback);
        return nextCallback++;
      },
      unregisterCallback: (id: number) => callbacks.delete(id),
    },
  });
  return shell;
}

class FakeGateway {
  readonly requests: FakeShell['requests'] = [];
  #send: (text: string) => void;
  #stopped = new Set<string>();

  constructor(
    readonly world: World,
    send: (text: string) => void,
  ) {
    this.#send = send;
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
    const world = this.world;
    const text = (name: string) => String(params[name] ?? '');
    if (method === 'tidegate.devices.unblock' && world.blocked.some((one) => one.id === text('id'))) {
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
    switch (method) {
      case 'health':
        return { ok: true };
      case 'tidegate.status':
        return {
          ...world.status,
          gateway: {
            ...world.status.gateway,
            waitingRequests: world.waiting.requests.length,
            waitingCommands: world.waiting.commands.length,
          },
        };
      case 'tidegate.doctor':
        return { checks: world.checks };
      case 'tidegate.connect':
        return {
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
        };
      case 'tidegate.devices.waiting':
        return world.waiting;
      case 'device.pair.list':
        return { pending: [], paired: world.devices, blocked: world.blocked };
      case 'tidegate.token.list':
        return world.tokens;
      case 'tidegate.audit':
        return { events: world.audit };
      case 'models.list':
        return { models: world.models };
      case 'sessions.list':
        return { sessions: world.sessions, hasMore: false, totalCount: world.sessions.length };
      case 'sessions.subscribe':
        return { subscribed: true };
      case 'tidegate.pause':
      case 'tidegate.resume':
        world.status.paused = method === 'tidegate.pause';
        this.#changed();
        return { paused: world.status.paused };
      case 'tidegate.review':
      case 'tidegate.token.wish':
      case 'tidegate.models.wish':
        return { opened: true };
      case 'tidegate.models.use':
        world.status.models = { default: text('model'), offline: text('model').startsWith('offline/') };
        for (const entry of world.models) {
          entry.tags = `${entry.provider}/${entry.id}` === text('model') ? ['default'] : [];
        }
        this.#changed();
        return { ok: true, model: text('model') };
      case 'tidegate.models.test':
        return text('model').startsWith('lmstudio/')
          ? { ok: false, model: text('model'), error: 'LM Studio closed the connection.' }
          : { ok: true, model: text('model'), firstByteMs: 180, totalMs: 420, text: 'ready' };
      case 'device.pair.reject':
        world.waiting.requests = world.waiting.requests.filter((one) => one.requestId !== text('requestId'));
        this.emit('device.pair.resolved', { requestId: text('requestId'), decision: 'rejected' });
        this.#changed();
        return { requestId: text('requestId') };
      case 'tidegate.devices.revoke':
      case 'tidegate.devices.block':
        if (method === 'tidegate.devices.block') world.blocked.push(this.#block(text('id')));
        world.devices = world.devices.filter((one) => one.deviceId !== text('id'));
        world.tokens.programs = world.tokens.programs.filter((one) => one.id !== text('id'));
        world.waiting.requests = world.waiting.requests.filter((one) => one.deviceId !== text('id'));
        this.#changed();
        return { revoked: text('id') };
      case 'tidegate.token.revoke':
        world.tokens.tokens = world.tokens.tokens.filter((one) => one.id !== text('id'));
        this.#changed();
        return { revoked: text('id') };
      case 'exec.approval.resolve':
        if (params['decision'] !== 'deny') {
          throw new Refusal('FORBIDDEN', "commands are allowed in Tidegate's own dialog, not in a window");
        }
        world.waiting.commands = world.waiting.commands.filter((one) => one.id !== text('id'));
        this.emit('exec.approval.resolved', { id: text('id'), decision: 'deny' });
        this.#changed();
        return { ok: true };
      case 'chat.history':
        return this.#history(text('sessionKey'), Number(params['limit'] ?? 200));
      case 'chat.send':
        return this.#turn(text('sessionKey'), text('message'), text('idempotencyKey'));
      case 'chat.abort':
        return this.#abort(text('sessionKey'));
      default:
        throw new Refusal('INVALID_REQUEST', `unknown method: ${method}`);
    }
  }

  #block(id: string): World['blocked'][number] {
    const { devices, waiting } = this.world;
    const known =
      devices.find((one) => one.deviceId === id) ?? waiting.requests.find((one) => one.deviceId === id);
    const name = known?.displayName ?? null;
    return { id, name, deviceId: id, executable: null, script: null, since: Date.now() };
  }

  #changed(): void {
    this.emit('tidegate.changed', {});
  }

  #history(key: string, limit: number): unknown {
    const all = this.world.transcripts.get(key) ?? [];
    const messages = all.slice(-Math.min(limit, 1000));
    return {
      sessionKey: key,
      sessionId: `${key}#1`,
      messages,
      hasMore: messages.length < all.length,
      totalMessages: all.length,
      sessionInfo: this.world.sessions.find((row) => row.key === key),
    };
  }

  #turn(key: string, message: string, run: string): unknown {
    if (message.includes('[refuse]')) throw new Refusal('UNAVAILABLE', 'too many runs wait; try again');
    this.#session(
      key,
      { status: 'running', lastRunId: run, startedAt: Date.now() },
      { phase: 'start', runId: run },
    );
    this.#append(key, said(this.#next(key), 'user', message, Date.now()), run);
    if (message.includes('[fail]')) {
      setTimeout(() => {
        this.#chat(key, run, { state: 'error', errorMessage: 'the model server closed the connection' });
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

  #abort(key: string): unknown {
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

  #append(key: string, message: TranscriptMessage, run: string): void {
    const seq = this.#next(key);
    const whole = { ...message, __openclaw: { id: `m${seq}`, seq, runId: run } };
    this.world.transcripts.set(key, [...(this.world.transcripts.get(key) ?? []), whole]);
    this.emit('session.message', { sessionKey: key, message: whole });
  }

  #chat(key: string, run: string, more: Record<string, unknown>): void {
    this.emit('chat', { sessionKey: key, runId: run, ...more });
  }

  #session(key: string, change: Partial<SessionRow>, more: Record<string, unknown>): void {
    let row = this.world.sessions.find((session) => session.key === key);
    if (!row) {
      row = { key, createdAt: Date.now(), updatedAt: Date.now(), spawnDepth: 0 };
      this.world.sessions.unshift(row);
    }
    Object.assign(row, { updatedAt: Date.now() }, change);
    this.emit('sessions.changed', { sessionKey: key, session: { ...row }, ...more });
  }
}

function assistant(text: string): unknown {
  return { role: 'assistant', content: [{ type: 'text', text }] };
}
