/** One conversation: its transcript, what streams in, and what was sent but not yet taken. */

import { type Backend, sentenceOf } from '../backend/backend';
import type { ChatHistoryPage, ChatMessage } from '../generated/protocol';
import {
  type Item,
  type LiveTool,
  type RunActivity,
  merged,
  plainText,
  readConversation,
  sequence,
} from '../lib/conversation';

/** A message that was sent and is not in the transcript yet. */
export interface Outgoing {
  runId: string;
  text: string;
  /** Why it was not taken; empty while it is on its way. */
  error: string;
}

/** How many messages are read at once. */
const PAGE = 100;

export class ChatState {
  readonly key: string;
  messages = $state.raw<ChatMessage[]>([]);
  isLoaded = $state(false);
  isLoading = $state(false);
  loadError = $state('');
  /** Whether there are messages before those that were read. */
  hasEarlier = $state(false);
  isLoadingEarlier = $state(false);
  /** Why earlier messages were not read; empty when they were. */
  earlierError = $state('');
  outgoing = $state.raw<Outgoing[]>([]);
  /** The text of the answer that is being written, by run. */
  streaming = $state.raw<ReadonlyMap<string, string>>(new Map());
  /** Runs of this conversation that have not ended, as far as is known. */
  running = $state.raw<ReadonlySet<string>>(new Set());
  /** Why the newest run failed, until the transcript says it; empty when it did not. */
  failure = $state('');
  #live = $state.raw<ReadonlyMap<string, LiveTool>>(new Map());
  /** How many messages the transcript has, as far as is known. */
  #total = 0;
  #sessionId: string | null = null;
  #backend: Backend;
  #ends: (() => void)[];

  #asks: (runId: string) => boolean;

  /** `asks` says whether a run waits for a decision. */
  constructor(backend: Backend, key: string, asks: (runId: string) => boolean) {
    this.#backend = backend;
    this.key = key;
    this.#asks = asks;
    this.#ends = [
      backend.on('session.message', (event) => {
        if (event.sessionKey === key) this.#appended(event.message);
      }),
      backend.on('chat', (event) => {
        if (event.sessionKey !== key) return;
        if (event.state === 'delta') {
          this.#stream(event.runId, plainText(event.message?.content));
          return;
        }
        this.#ended(event.runId);
        if (event.state === 'error') this.failure = event.errorMessage ?? 'The run failed.';
        void this.load();
      }),
      backend.on('session.tool', (event) => {
        const { phase, toolCallId } = event.data;
        if (event.sessionKey !== key || phase !== 'result' || !toolCallId) return;
        const output = plainText(event.data.result?.content);
        this.#live = new Map(this.#live).set(toolCallId, { output, isError: event.data.isError === true });
      }),
      backend.on('sessions.changed', (event) => {
        if (event.sessionKey !== key) return;
        if (event.reason === 'reset') void this.load();
        const run = event.runId ?? event.session?.lastRunId;
        if (run && event.session?.status === 'running') this.running = new Set(this.running).add(run);
        if (run && event.phase === 'end') this.#ended(run);
      }),
      backend.onState((state) => {
        if (state.kind === 'connected') void this.load();
        if (state.kind === 'lost') {
          this.running = new Set();
          this.streaming = new Map();
        }
      }),
    ];
  }

  /** What a person reads. */
  readonly items: Item[] = $derived.by(() => {
    const activityOf = (run: string): RunActivity =>
      this.#asks(run) ? 'asks' : this.running.has(run) ? 'running' : 'ended';
    const outgoing = this.outgoing.find((message) => !message.error)?.text;
    return readConversation(this.messages, this.#live, activityOf, outgoing);
  });

  /** The newest answer, where its run failed: it can be tried again. It stays when the page is left and opened again. */
  readonly failedItem: string = $derived.by(() => {
    const last = this.items.at(-1);
    return last?.kind === 'assistant' && last.isFailure && !this.isRunning ? last.key : '';
  });

  /** The answer that is being written and not in the transcript yet. */
  readonly written: string = $derived.by(() => {
    const last = this.messages.findLast((message) => message.role === 'assistant');
    const known = last ? plainText(last.content) : '';
    for (const [run, text] of this.streaming) {
      const isKnown = last?.__openclaw?.runId === run && known.startsWith(text);
      if (text && !isKnown) return text;
    }
    return '';
  });

  readonly isRunning: boolean = $derived(
    this.running.size > 0 || this.outgoing.some((message) => !message.error),
  );

  /** What the person last said, to be tried again. */
  readonly lastSent: string = $derived.by(() => {
    const last = this.messages.findLast((message) => message.role === 'user');
    return last ? plainText(last.content) : '';
  });

  async load(): Promise<void> {
    if (this.isLoading || this.#backend.state.kind !== 'connected') return;
    this.isLoading = true;
    try {
      const page = await this.#read();
      this.#take(page);
      const { status, lastRunId } = page.sessionInfo ?? {};
      if (status === 'running' && lastRunId) this.running = new Set(this.running).add(lastRunId);
      this.loadError = '';
      this.isLoaded = true;
      this.#settleOutgoing();
    } catch (error) {
      this.loadError = sentenceOf(error);
    } finally {
      this.isLoading = false;
    }
  }

  /** Reads the messages before those that were read. */
  async loadEarlier(): Promise<void> {
    if (this.isLoadingEarlier || !this.hasEarlier) return;
    this.isLoadingEarlier = true;
    this.earlierError = '';
    try {
      // Positions count from the newest message: where some came meanwhile, the page begins among
      // what is known already, and the next one goes on behind it.
      const oldest = this.#oldest();
      for (let attempt = 0; attempt < 3 && this.hasEarlier && this.#oldest() === oldest; attempt += 1) {
        const page = await this.#read(this.#total - oldest + 1);
        if ((page.sessionId ?? null) !== this.#sessionId) {
          // It was reset: what was asked for is gone.
          void this.load();
          return;
        }
        this.#take(page);
      }
    } catch (error) {
      this.earlierError = sentenceOf(error);
    } finally {
      this.isLoadingEarlier = false;
    }
  }

  /** Sends a message. One that was not taken stays, and can be sent again. */
  async send(text: string, runId: string = crypto.randomUUID()): Promise<void> {
    this.failure = '';
    this.outgoing = [
      ...this.outgoing.filter((message) => message.runId !== runId),
      { runId, text, error: '' },
    ];
    try {
      // The same key again never starts a second run.
      const answer = await this.#backend.request('chat.send', {
        sessionKey: this.key,
        message: text,
        idempotencyKey: runId,
      });
      if (answer.status === 'error') this.failure = answer.summary ?? 'The run failed.';
      else if (answer.status !== 'ok') this.running = new Set(this.running).add(runId);
      this.#settleOutgoing();
      if (answer.status === 'ok') void this.load();
    } catch (error) {
      const sentence = sentenceOf(error);
      this.outgoing = this.outgoing.map((message) =>
        message.runId === runId ? { ...message, error: sentence } : message,
      );
    }
  }

  /** Sends what the person last said again. */
  async retry(): Promise<void> {
    if (this.lastSent) await this.send(this.lastSent);
  }

  discard(runId: string): void {
    this.outgoing = this.outgoing.filter((message) => message.runId !== runId);
  }

  /** Stops this conversation's runs and everything below them. */
  async stop(): Promise<void> {
    try {
      await this.#backend.request('chat.abort', { sessionKey: this.key });
    } catch (error) {
      this.failure = sentenceOf(error);
    }
  }

  close(): void {
    for (const end of this.#ends) end();
  }

  async #read(offset?: number): Promise<ChatHistoryPage> {
    const answer = await this.#backend.request('chat.history', {
      sessionKey: this.key,
      limit: PAGE,
      ...(offset === undefined ? {} : { offset }),
    });
    // Only who gives a cursor is reported to start again.
    if ('kind' in answer) throw new Error('The gateway did not send the messages.');
    return answer;
  }

  #take(page: ChatHistoryPage): void {
    const session = page.sessionId ?? null;
    // Another transcript begins when a session was reset.
    let known = this.#sessionId === null || this.#sessionId === session ? this.messages : [];
    const first = page.messages[0];
    const start = first ? sequence(first) : 0;
    const before = known.findLast((message) => sequence(message) < start);
    // What was said while nobody listened lies in between: what is older is read again on demand.
    if (before && sequence(before) < start - 1) {
      known = known.filter((message) => sequence(message) >= start);
    }
    const oldest = known[0];
    if (!oldest || !first || start <= sequence(oldest)) this.hasEarlier = page.hasMore;
    this.messages = merged(known, page.messages);
    this.#sessionId = session;
    this.#total = page.totalMessages;
  }

  /** The position of the oldest message that is known. */
  #oldest(): number {
    const first = this.messages[0];
    return first ? sequence(first) : 0;
  }

  #appended(message: ChatMessage): void {
    this.messages = merged(this.messages, [message]);
    this.#total = Math.max(this.#total, sequence(message));
    this.#settleOutgoing();
  }

  #stream(run: string, text: string): void {
    this.streaming = new Map(this.streaming).set(run, text);
    if (!this.running.has(run)) this.running = new Set(this.running).add(run);
  }

  #ended(run: string): void {
    const streaming = new Map(this.streaming);
    streaming.delete(run);
    this.streaming = streaming;
    const running = new Set(this.running);
    running.delete(run);
    this.running = running;
    this.outgoing = this.outgoing.filter((message) => message.runId !== run || message.error);
  }

  /** What is in the transcript is no longer on its way. */
  #settleOutgoing(): void {
    if (this.outgoing.length === 0) return;
    const taken = new Set(this.messages.map((message) => message.__openclaw?.runId));
    this.outgoing = this.outgoing.filter((message) => !taken.has(message.runId));
  }
}
