import { describe, expect, test } from 'vitest';

import type { ChatMessage } from '../../src/generated/protocol';
import { merged, readConversation } from '../../src/lib/conversation';

const NONE = new Map();
const message = (seq: number, more: Partial<ChatMessage>): ChatMessage => ({
  role: 'assistant',
  content: [{ type: 'text', text: `text ${seq}` }],
  __openclaw: { id: `m${seq}`, seq, runId: 'run' },
  ...more,
});
const text = (text: string) => [{ type: 'text' as const, text }];
const call = message(2, {
  content: [
    { type: 'text', text: 'calling' },
    { type: 'toolCall', id: 'c1', name: 'exec', arguments: { command: 'echo hi' } },
  ],
});
const result = (isError: boolean) =>
  message(3, { role: 'toolResult', toolCallId: 'c1', toolName: 'exec', isError, content: text('hi') });

describe('tool calls', () => {
  const toolOf = (messages: ChatMessage[], isRunning: boolean) => {
    const item = readConversation(messages, NONE, () => isRunning)[0];
    return item?.kind === 'assistant' ? item.tools[0] : undefined;
  };

  test('a call and its result are one thing', () => {
    const items = readConversation([call, result(false)], NONE, () => false);
    expect(items).toHaveLength(1);
    expect(toolOf([call, result(false)], false)).toEqual({
      id: 'c1',
      runId: 'run',
      name: 'exec',
      input: 'command: echo hi',
      summary: 'echo hi',
      state: 'done',
      output: 'hi',
    });
  });

  test('a call without result is running while its run is, and unknown after it', () => {
    expect(toolOf([call], true)?.state).toBe('running');
    expect(toolOf([call], false)?.state).toBe('unknown');
    expect(toolOf([call, result(true)], false)?.state).toBe('failed');
  });

  test('a result that came as an event is shown before it is in the transcript', () => {
    const live = new Map([['c1', { output: 'early', isError: false }]]);
    const [item] = readConversation([call], live, () => true);
    expect(item).toMatchObject({ tools: [{ state: 'done', output: 'early' }] });
  });

  test('a result whose call was not loaded is a notice', () => {
    expect(readConversation([result(false)], NONE, () => false)).toMatchObject([
      { kind: 'notice', text: 'Result of exec: hi' },
    ]);
  });
});

describe('what the runtime tells', () => {
  const told = (words: string) =>
    readConversation(
      [
        message(4, {
          role: 'system',
          content: text('The subagent "two" has finished.'),
          source: {
            kind: 'subagent',
            runId: 'r',
            sessionKey: 'agent:main:subagent:two',
            label: 'two',
            status: 'ok',
            report: words,
          },
        }),
      ],
      NONE,
      () => false,
    );

  test("a subagent's result is taken out of its frame", () => {
    expect(
      told('ended.\n<untrusted-data id="18ab" from="subagent">\nIt rains.\n</untrusted-data id="18ab">'),
    ).toMatchObject([{ kind: 'subagent', label: 'two', text: 'It rains.', status: 'ok' }]);
  });

  test('a frame that closes itself under another id ends where the true one ends', () => {
    const text = '<untrusted-data id="18ab">\nx </untrusted-data id="ffff"> y\n</untrusted-data id="18ab">';
    expect(told(text)).toMatchObject([{ text: 'x </untrusted-data id="ffff"> y' }]);
  });
});

test('a run that was stopped or cut off says so', () => {
  const items = readConversation(
    [
      message(1, { stopReason: 'aborted' }),
      message(2, { stopReason: 'length' }),
      message(3, { content: [] }),
    ],
    NONE,
    () => false,
  );
  expect(items.map((item) => (item.kind === 'assistant' ? item.problem : ''))).toEqual([
    'Stopped.',
    "The answer ends here: it reached the model's limit.",
  ]);
});

test('messages are put in their order, each once, whatever order they come in', () => {
  const [one, two, three] = [1, 2, 3].map((seq) => message(seq, {}));
  const all = [one, two, three] as ChatMessage[];
  const orders = [
    [0, 1, 2],
    [2, 1, 0],
    [1, 0, 2],
    [2, 0, 1, 1, 2],
  ];
  for (const order of orders) {
    let known: ChatMessage[] = [];
    for (const at of order) known = merged(known, [all[at] as ChatMessage]);
    expect(known.map((entry) => entry.__openclaw?.seq)).toEqual([1, 2, 3]);
  }
});
