/** A transcript as what a person reads: turns, tool calls with their results, notices. Pure. */

import type { ContentBlock, ChatMessage, PermissionName } from '../generated/protocol';

import { asSentence, oneLine } from './format';
import { NOT_ASKED } from './words';

export interface ToolCall {
  id: string;
  /** The run that made the call. */
  runId: string;
  name: string;
  /** What it was called with, as readable text. */
  input: string;
  /** One line of it. */
  summary: string;
  state: ToolState;
  output: string;
  /** By which permission nobody was asked about it. */
  permission?: PermissionName;
}

export type ToolState =
  | 'running'
  /** It waits for the person's decision. */
  | 'asks'
  /** It comes after one that is not done. */
  | 'next'
  | 'done'
  | 'failed'
  /** The person, or a client that decides for them, did not allow it. */
  | 'denied'
  /** It was not allowed, and nobody said no: the time was over, or too much waited. */
  | 'undecided'
  | 'stopped'
  | 'unknown';

/** What is known of a run: whether it is at work, waits for a decision, or has ended. */
export type RunActivity = 'running' | 'asks' | 'ended';

export type Item =
  | { kind: 'user'; key: string; text: string; at: number | null }
  | {
      kind: 'assistant';
      key: string;
      text: string;
      tools: ToolCall[];
      at: number | null;
      model: string;
      /** Why it ended early; empty when it did not. */
      problem: string;
      /** Whether the run failed: it can be tried again. */
      isFailure: boolean;
    }
  | {
      kind: 'subagent';
      key: string;
      label: string;
      session: string;
      status: string;
      text: string;
      at: number | null;
    }
  | { kind: 'notice'; key: string; text: string; at: number | null };

/** What is known of a tool call before its result is in the transcript. */
export interface LiveTool {
  output: string;
  isError: boolean;
}

/** The plain text of a message. */
export function plainText(content: readonly ContentBlock[] | undefined): string {
  return (content ?? [])
    .filter((block) => block.type === 'text')
    .map((block) => block.text)
    .join('\n');
}

/** The order of a message in its session. */
export function sequence(message: ChatMessage): number {
  return message.__openclaw?.seq ?? 0;
}

/**
 * Puts transcript messages together. `activityOf` tells what a run does: it decides what a call without
 * result is. `outgoing` is the message that is on its way.
 */
export function readConversation(
  transcript: readonly ChatMessage[],
  live: ReadonlyMap<string, LiveTool>,
  activityOf: (runId: string) => RunActivity,
  outgoing = '',
): Item[] {
  const messages = withoutRetried(transcript, outgoing);
  const { results, repeated, strays } = readResults(messages);
  const items: Item[] = [];
  for (const [index, message] of messages.entries()) {
    const key = message.__openclaw?.id ?? `#${index}`;
    const at = message.timestamp ?? null;
    const text = plainText(message.content);
    if (message.role === 'user') {
      items.push({ kind: 'user', key, text, at });
    } else if (message.role === 'assistant') {
      const run = message.__openclaw?.runId ?? '';
      const early = (call: CallBlock) => (repeated.has(call) ? undefined : live.get(call.id));
      const tools = readCalls(message, run, results, early, activityOf(run));
      const problem = problemOf(message);
      if (!text && tools.length === 0 && !problem) continue;
      const isFailure = hasFailed(message);
      const model = message.model ? `${message.provider ?? ''}/${message.model}`.replace(/^\//, '') : '';
      items.push({ kind: 'assistant', key, text, tools, at, model, problem, isFailure });
    } else if (message.role === 'toolResult') {
      // The result of a call that is further back than what was loaded.
      if (strays.has(message)) {
        const name = oneLine(message.toolName, 60) || 'tool';
        items.push({ kind: 'notice', key, text: `Result of ${name}: ${oneLine(text, 300)}`, at });
      }
    } else if (message.source?.kind === 'subagent') {
      items.push({
        kind: 'subagent',
        key,
        at,
        label: oneLine(message.source.label, 80) || 'subagent',
        session: message.source.sessionKey,
        status: message.source.status,
        text: untrusted(message.source.report ?? text),
      });
    } else if (text) {
      items.push({ kind: 'notice', key, text, at });
    }
  }
  return items;
}

/** A question that the person asked again because there was no answer stands once, and so does its failure. */
function withoutRetried(messages: readonly ChatMessage[], outgoing: string): readonly ChatMessage[] {
  const isRetried = (at: number) => {
    const question = messages[at];
    const answer = messages[at + 1];
    const next = messages[at + 2];
    if (question?.role !== 'user' || answer?.role !== 'assistant' || !hasFailed(answer)) return false;
    if (answer.content.length > 0 || (next && next.role !== 'user')) return false;
    return plainText(question.content) === (next ? plainText(next.content) : outgoing);
  };
  const retried = new Set<ChatMessage>();
  for (const [at, message] of messages.entries()) {
    if (!isRetried(at)) continue;
    retried.add(message);
    const answer = messages[at + 1];
    if (answer) retried.add(answer);
  }
  return retried.size === 0 ? messages : messages.filter((message) => !retried.has(message));
}

/** Adds messages to a transcript: by their order, each once. */
export function merged(known: readonly ChatMessage[], added: readonly ChatMessage[]): ChatMessage[] {
  const last = known.at(-1);
  const first = added[0];
  // The usual case: one more at the end.
  if (last && first && added.length === 1 && sequence(first) > sequence(last)) return [...known, first];
  const bySequence = new Map<number, ChatMessage>();
  for (const message of [...known, ...added]) bySequence.set(sequence(message), message);
  return [...bySequence.entries()].sort(([a], [b]) => a - b).map(([, message]) => message);
}

type CallBlock = Extract<ContentBlock, { type: 'toolCall' }>;

function toolCalls(message: ChatMessage): CallBlock[] {
  if (message.role !== 'assistant') return [];
  return message.content.filter((block) => block.type === 'toolCall');
}

/** Which result belongs to which call. A model may use an id again: a result answers the last call before it. */
function readResults(messages: readonly ChatMessage[]) {
  const calls = new Map<string, CallBlock>();
  const results = new Map<CallBlock, ChatMessage>();
  /** Calls whose id an earlier one had, so that what is known of it may be the earlier one's. */
  const repeated = new Set<CallBlock>();
  const strays = new Set<ChatMessage>();
  for (const message of messages) {
    for (const call of toolCalls(message)) {
      if (calls.has(call.id)) repeated.add(call);
      calls.set(call.id, call);
    }
    if (message.role !== 'toolResult') continue;
    const call = calls.get(message.toolCallId ?? '');
    if (!call) strays.add(message);
    else if (!results.has(call)) results.set(call, message);
  }
  return { results, repeated, strays };
}

function readCalls(
  message: ChatMessage,
  runId: string,
  results: ReadonlyMap<CallBlock, ChatMessage>,
  earlyOf: (call: CallBlock) => LiveTool | undefined,
  activity: RunActivity,
): ToolCall[] {
  // Of calls that ask, only the first one does: the others come after it.
  let isFirst = true;
  return toolCalls(message).map((call) => {
    const result = results.get(call);
    const early = earlyOf(call);
    const state = result ? outcomeOf(result) : early ? (early.isError ? 'failed' : 'done') : open(activity);
    const output = result ? plainText(result.content) : (early?.output ?? '');
    return {
      id: call.id,
      runId,
      name: oneLine(call.name, 60) || 'tool',
      input: readable(call.arguments),
      summary: summary(call.arguments),
      state,
      output: prettyJson(output),
      ...permissionOf(result),
    };
  });

  function open(activity: RunActivity): ToolState {
    if (activity === 'ended') return 'unknown';
    if (activity === 'running') return 'running';
    const state = isFirst ? 'asks' : 'next';
    isFirst = false;
    return state;
  }
}

function outcomeOf(result: ChatMessage): ToolState {
  if (result.isError !== true) return 'done';
  const outcome = detail(result, 'outcome');
  if (outcome === 'stopped') return outcome;
  if (outcome !== 'denied') return 'failed';
  // The result of a call that was not allowed is the gateway's own sentence.
  return plainText(result.content).includes('a person refused') ? 'denied' : 'undecided';
}

function permissionOf(result: ChatMessage | undefined): { permission?: PermissionName } {
  const name = result && detail(result, 'permission');
  return isPermission(name) ? { permission: name } : {};
}

function isPermission(name: unknown): name is PermissionName {
  return typeof name === 'string' && Object.hasOwn(NOT_ASKED, name);
}

/** A field of what the gateway says of a result. */
function detail({ details }: ChatMessage, name: string): unknown {
  if (typeof details !== 'object' || details === null || !Object.hasOwn(details, name)) return undefined;
  return (details as Record<string, unknown>)[name];
}

function hasFailed(message: ChatMessage): boolean {
  return Boolean(message.errorMessage) || message.stopReason === 'error';
}

function problemOf(message: ChatMessage): string {
  if (message.errorMessage) return asSentence(message.errorMessage);
  switch (message.stopReason) {
    case 'aborted':
      return 'This answer was stopped.';
    case 'error':
      return 'The model did not finish this answer.';
    case 'length':
      return "The answer ends here: it reached the model's limit.";
    default:
      return '';
  }
}

/** The most telling argument in one line. */
function summary(input: unknown): string {
  if (typeof input !== 'object' || input === null) return oneLine(String(input ?? ''), 120);
  const record = input as Record<string, unknown>;
  for (const name of ['command', 'path', 'task', 'label', 'sessionKey', 'query', 'url']) {
    const value = record[name];
    if (typeof value === 'string' && value) return oneLine(value, 120);
  }
  const keys = Object.keys(record);
  return keys.length === 0 ? '' : oneLine(JSON.stringify(record), 120);
}

/** Arguments as lines of `name: value`, texts as they are. */
function readable(input: unknown): string {
  if (typeof input !== 'object' || input === null) return String(input ?? '');
  return Object.entries(input)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value, null, 2)}`)
    .join('\n');
}

function prettyJson(text: string): string {
  if (!/^\s*[{[]/.test(text) || text.length > 20_000) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** What a subagent said, out of the frame in which the runtime gave it to the model. */
function untrusted(text: string): string {
  const match = /<untrusted-data id="([0-9a-f]+)"[^>]*>\n?([\s\S]*?)\n?<\/untrusted-data id="\1">/.exec(text);
  return match?.[2] ?? text;
}
