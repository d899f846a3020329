/** A transcript as what a person reads: turns, tool calls with their results, notices. Pure. */

import type { ContentBlock, ChatMessage } from '../generated/protocol';

import { oneLine } from './format';

export interface ToolCall {
  id: string;
  /** The run that made the call. */
  runId: string;
  name: string;
  /** What it was called with, as readable text. */
  input: string;
  /** One line of it. */
  summary: string;
  state: 'running' | 'done' | 'failed' | 'unknown';
  output: string;
}

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
 * Puts transcript messages together. `isRunning` says whether a run is known to be still at work:
 * a call without result is then running, otherwise its outcome is unknown.
 */
export function readConversation(
  messages: readonly ChatMessage[],
  live: ReadonlyMap<string, LiveTool>,
  isRunning: (runId: string) => boolean,
): Item[] {
  const results = new Map<string, ChatMessage>();
  const called = new Set<string>();
  for (const message of messages) {
    if (message.role === 'toolResult' && message.toolCallId) results.set(message.toolCallId, message);
    for (const call of toolCalls(message)) called.add(call.id);
  }
  const items: Item[] = [];
  for (const [index, message] of messages.entries()) {
    const key = message.__openclaw?.id ?? `#${index}`;
    const at = message.timestamp ?? null;
    const text = plainText(message.content);
    if (message.role === 'user') {
      items.push({ kind: 'user', key, text, at });
    } else if (message.role === 'assistant') {
      const run = message.__openclaw?.runId ?? '';
      const tools = toolCalls(message).map((call) => readCall(call, run, results, live, isRunning(run)));
      const problem = problemOf(message);
      if (!text && tools.length === 0 && !problem) continue;
      const model = message.model ? `${message.provider ?? ''}/${message.model}`.replace(/^\//, '') : '';
      items.push({ kind: 'assistant', key, text, tools, at, model, problem });
    } else if (message.role === 'toolResult') {
      // The result of a call that is further back than what was loaded.
      if (!message.toolCallId || !called.has(message.toolCallId)) {
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

function readCall(
  call: CallBlock,
  runId: string,
  results: ReadonlyMap<string, ChatMessage>,
  live: ReadonlyMap<string, LiveTool>,
  isRunning: boolean,
): ToolCall {
  const result = results.get(call.id);
  const early = live.get(call.id);
  const outcome = result ? { output: plainText(result.content), isError: result.isError === true } : early;
  return {
    id: call.id,
    runId,
    name: oneLine(call.name, 60) || 'tool',
    input: readable(call.arguments),
    summary: summary(call.arguments),
    state: outcome ? (outcome.isError ? 'failed' : 'done') : isRunning ? 'running' : 'unknown',
    output: outcome ? prettyJson(outcome.output) : '',
  };
}

function problemOf(message: ChatMessage): string {
  if (message.errorMessage) return message.errorMessage;
  switch (message.stopReason) {
    case 'aborted':
      return 'Stopped.';
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
