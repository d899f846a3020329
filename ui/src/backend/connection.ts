/** Requests, answers, events and reconnecting over a transport of frames. */

import { type Backend, type ConnectionState, RequestError, type RequestOptions, sentenceOf } from './backend';
import { MAX_FRAME, isRecord, parseFrame, requestFrame } from './frames';
import type { Events, Methods } from '../generated/protocol';
import { asSentence } from '../lib/format';

/** Carries frames as texts. */
export interface Transport {
  /** Opens a link. Rejects with a sentence when the gateway cannot be reached. */
  open(handlers: LinkHandlers): Promise<Link>;
}

export interface LinkHandlers {
  frame(text: string): void;
  /** The link ended by itself; nothing comes after it. */
  closed(reason: string): void;
}

export interface Link {
  /** Rejects when the link is gone. */
  send(text: string): Promise<void>;
  close(): void;
}

interface Pending {
  method: string;
  hasAccepted: boolean;
  settle(result: { payload: unknown } | { error: RequestError }): void;
  accepted(payload: unknown): void;
}

const FIRST_RETRY = 500;
const LONGEST_RETRY = 10_000;
const REQUEST_TIMEOUT = 30_000;
/** The gateway gives a sign of life every 30 s; after this silence it is asked for one. */
const SILENCE = 75_000;
/** How long it may take to answer that. */
const LAST_CHANCE = 10_000;
/** Methods whose first answer says only that the run was accepted. */
const ANSWERS_TWICE: ReadonlySet<string> = new Set(['agent']);

export class Connection implements Backend {
  #transport: Transport;
  #state: ConnectionState = { kind: 'starting' };
  #stateListeners = new Set<(state: ConnectionState) => void>();
  #listeners = new Map<string, Set<(payload: never) => void>>();
  #pending = new Map<string, Pending>();
  #nextId = 1;
  #link: Link | null = null;
  /** Counts links, so that what an old one still says is not listened to. */
  #generation = 0;
  #retryAfter = FIRST_RETRY;
  #retryTimer: ReturnType<typeof setTimeout> | null = null;
  #silenceTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(transport: Transport) {
    this.#transport = transport;
    void this.#open();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  onState(listener: (state: ConnectionState) => void): () => void {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  on<Name extends keyof Events>(event: Name, listener: (payload: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    listeners.add(listener as (payload: never) => void);
    this.#listeners.set(event, listeners);
    return () => listeners.delete(listener as (payload: never) => void);
  }

  reconnect(): void {
    if (this.#state.kind === 'connected') return;
    this.#retryAfter = FIRST_RETRY;
    void this.#open();
  }

  request<Method extends keyof Methods>(
    method: Method,
    params: Methods[Method]['params'],
    options: RequestOptions<Method> = {},
  ): Promise<Methods[Method]['result']> {
    const link = this.#link;
    if (!link || this.#state.kind !== 'connected') {
      return Promise.reject(new RequestError('lost', 'The gateway cannot be reached at the moment.'));
    }
    const id = String(this.#nextId++);
    const text = requestFrame(id, method, params);
    // The gateway counts bytes; one character of a text has at most three of them in UTF-8.
    if (text.length > MAX_FRAME || new TextEncoder().encode(text).length > MAX_FRAME) {
      return Promise.reject(
        new RequestError('oversized', 'This is too long to be sent: more than 25 MiB. Make it shorter.'),
      );
    }
    const timeoutMs = options.timeoutMs === undefined ? REQUEST_TIMEOUT : options.timeoutMs;
    return new Promise((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | null = null;
      const settle: Pending['settle'] = (result) => {
        if (timer) clearTimeout(timer);
        this.#pending.delete(id);
        if ('error' in result) reject(result.error);
        else resolve(result.payload as Methods[Method]['result']);
      };
      if (timeoutMs !== null) {
        const seconds = Math.round(timeoutMs / 1000);
        const message = `The gateway did not answer within ${seconds} seconds. Try again.`;
        timer = setTimeout(() => settle({ error: new RequestError('timeout', message) }), timeoutMs);
      }
      this.#pending.set(id, {
        method,
        hasAccepted: false,
        settle,
        accepted: (payload) => options.onAccepted?.(payload as Partial<Methods[Method]['result']>),
      });
      link.send(text).catch((error: unknown) => {
        settle({ error: new RequestError('lost', sentenceOf(error)) });
      });
    });
  }

  async #open(): Promise<void> {
    this.#clearTimers();
    this.#link?.close();
    this.#link = null;
    const generation = ++this.#generation;
    const isCurrent = () => generation === this.#generation;
    if (this.#state.kind !== 'lost') this.#setState({ kind: 'starting' });
    let early: string | null = null;
    const queue: string[] = [];
    try {
      const link = await this.#transport.open({
        frame: (text) => {
          if (!isCurrent()) return;
          if (this.#link) this.#receive(text);
          else queue.push(text);
        },
        closed: (reason) => {
          if (!isCurrent()) return;
          if (this.#link) this.#lose(reason);
          else early = reason;
        },
      });
      if (!isCurrent()) {
        link.close();
        return;
      }
      this.#link = link;
      this.#listen();
      for (const text of queue) if (isCurrent()) this.#receive(text);
      if (early !== null && isCurrent()) this.#lose(early);
    } catch (error) {
      if (isCurrent()) this.#lose(sentenceOf(error));
    }
  }

  #receive(text: string): void {
    this.#listen();
    const frame = parseFrame(text);
    if (!frame) {
      console.warn('A frame that is not understood was left out.');
      return;
    }
    if (frame.kind === 'event') {
      this.#event(frame.event, frame.payload);
      return;
    }
    const pending = this.#pending.get(frame.id);
    // Too late, or never asked: nobody waits for it.
    if (!pending) return;
    if (!frame.ok) {
      const error = new RequestError('refused', asSentence(frame.error.message), frame.error);
      pending.settle({ error });
      return;
    }
    const status = isRecord(frame.payload) ? frame.payload['status'] : undefined;
    if (ANSWERS_TWICE.has(pending.method) && !pending.hasAccepted && status === 'accepted') {
      pending.hasAccepted = true;
      pending.accepted(frame.payload);
      return;
    }
    pending.settle({ payload: frame.payload });
  }

  #event(event: string, payload: unknown): void {
    if (event === 'tidegate.welcome') {
      const version = isRecord(payload) ? String(payload['version'] ?? '') : '';
      this.#retryAfter = FIRST_RETRY;
      this.#setState({ kind: 'connected', version });
    } else if (event === 'tidegate.refused') {
      const reason = isRecord(payload) ? payload['reason'] : undefined;
      this.#lose(typeof reason === 'string' ? reason : 'The gateway refused this window.');
      return;
    }
    for (const listener of this.#listeners.get(event) ?? []) listener(payload as never);
  }

  #lose(reason: string): void {
    this.#clearTimers();
    this.#link?.close();
    this.#link = null;
    this.#generation++;
    const sentence = asSentence(reason) || 'The gateway stopped.';
    const wait = this.#retryAfter;
    this.#retryAfter = Math.min(wait * 2, LONGEST_RETRY);
    this.#setState({ kind: 'lost', reason: sentence, retryAt: Date.now() + wait });
    this.#retryTimer = setTimeout(() => void this.#open(), wait);
    const error = new RequestError('lost', 'The gateway stopped before it answered.');
    for (const pending of [...this.#pending.values()]) pending.settle({ error });
  }

  /** Starts to wait for the next sign of life. */
  #listen(): void {
    if (this.#silenceTimer) clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => {
      if (this.#state.kind !== 'connected') {
        this.#lose('The gateway does not answer this window.');
        return;
      }
      this.request('health', {}, { timeoutMs: LAST_CHANCE }).catch((error: unknown) => {
        if (error instanceof RequestError && error.kind === 'timeout') {
          this.#lose('The gateway gives no sign of life.');
        }
      });
    }, SILENCE);
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    for (const listener of this.#stateListeners) listener(state);
  }

  #clearTimers(): void {
    if (this.#retryTimer) clearTimeout(this.#retryTimer);
    if (this.#silenceTimer) clearTimeout(this.#silenceTimer);
    this.#retryTimer = null;
    this.#silenceTimer = null;
  }
}
