import { describe, expect, test } from 'vitest';

import type { ChatMessage } from '../../src/generated/protocol';
import { type RunActivity, merged, readConversation } from '../../src/lib/conversation';

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
  const toolsOf = (messages: ChatMessage[], activity: RunActivity) => {
    const item = readConversation(messages, NONE, () => activity)[0];
    return item?.kind === 'assistant' ? item.tools : [];
  };
  const toolOf = (messages: ChatMessage[], activity: RunActivity) => toolsOf(messages, activity)[0];

  test('a call and its result are one thing', () => {
    const items = readConversation([call, result(false)], NONE, () => 'ended');
    expect(items).toHaveLength(1);
    expect(toolOf([call, result(false)], 'ended')).toEqual({
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
    expect(toolOf([call], 'running')?.state).toBe('running');
    expect(toolOf([call], 'ended')?.state).toBe('unknown');
    expect(toolOf([call, result(true)], 'ended')?.state).toBe('failed');
  });

  test('a result that came as an event is shown before it is in the transcript', () => {
    const live = new Map([['c1', { output: 'early', isError: false }]]);
    const [item] = readConversation([call], live, () => 'running');
    expect(item).toMatchObject({ tools: [{ state: 'done', output: 'early' }] });
  });

  test('a call whose id was used before has its own result, and no other', () => {
    const again = message(4, {
      content: [{ type: 'toolCall', id: 'c1', name: 'exec', arguments: { command: 'rm -rf .' } }],
    });
    const live = new Map([['c1', { output: 'early', isError: false }]]);
    const states = (messages: ChatMessage[]) =>
      readConversation(messages, live, () => 'asks').map((item) =>
        item.kind === 'assistant' ? item.tools.map((tool) => tool.state) : [],
      );

    expect(states([call, result(false), again])).toEqual([['done'], ['asks']]);
    const denied = message(5, { role: 'toolResult', toolCallId: 'c1', isError: true, content: text('no') });
    expect(states([call, result(false), again, denied])).toEqual([['done'], ['failed']]);
  });

  test('a call that waits for a decision says so, and those behind it have not begun', () => {
    const three = message(2, {
      content: ['c1', 'c2', 'c3'].map((id) => ({ type: 'toolCall', id, name: 'exec', arguments: {} })),
    });
    expect(toolsOf([three, result(false)], 'asks').map((tool) => tool.state)).toEqual([
      'done',
      'asks',
      'next',
    ]);
  });

  test.each([
    ['stopped', 'the run was cancelled', 'stopped'],
    ['denied', 'it was not allowed: a person refused this command, and says: no', 'denied'],
    ['denied', 'nobody decided within 30 minutes, which counts as a refusal', 'undecided'],
  ])('a call that was %s has not failed: %s', (outcome, said, state) => {
    const ended = { ...result(true), content: text(said), details: { outcome } };
    expect(toolOf([call, ended], 'ended')?.state).toBe(state);
  });

  test('a result names the permission by which nobody was asked, and no other word', () => {
    const permissionOf = (permission: unknown) =>
      toolOf([call, { ...result(false), details: { permission } }], 'ended')?.permission;
    expect(permissionOf('contained')).toBe('contained');
    for (const other of ['toString', 'all', 7, null]) expect(permissionOf(other)).toBeUndefined();
  });

  test('a result whose call was not loaded is a notice', () => {
    expect(readConversation([result(false)], NONE, () => 'ended')).toMatchObject([
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
      () => 'ended',
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
    () => 'ended',
  );
  expect(items.map((item) => (item.kind === 'assistant' ? item.problem : ''))).toEqual([
    'This answer was stopped.',
    "The answer ends here: it reached the model's limit.",
  ]);
});

describe('a run that failed', () => {
  const said = (seq: number, words: string) => message(seq, { role: 'user', content: text(words) });
  const failed = (seq: number, more: Partial<ChatMessage> = {}) =>
    message(seq, {
      content: [],
      stopReason: 'error',
      errorMessage: 'the model server answered 500',
      ...more,
    });
  const read = (messages: ChatMessage[], outgoing = '') =>
    readConversation(messages, NONE, () => 'ended', outgoing);
  const keys = (messages: ChatMessage[], outgoing = '') => read(messages, outgoing).map((item) => item.key);

  test('says why as a sentence, and can be tried again', () => {
    expect(read([said(1, 'hello'), failed(2)])[1]).toMatchObject({
      problem: 'The model server answered 500.',
      isFailure: true,
    });
  });

  test('stands once with its question however often that was asked', () => {
    const all = [said(1, 'hello'), failed(2), said(3, 'hello'), failed(4), said(5, 'hello')];
    expect(keys(all)).toEqual(['m5']);
    expect(keys(all.slice(0, 4))).toEqual(['m3', 'm4']);
  });

  test('goes at once when its question is on its way again', () => {
    expect(keys([said(1, 'hello'), failed(2)], 'hello')).toEqual([]);
    expect(keys([said(1, 'hello'), failed(2)], 'else')).toEqual(['m1', 'm2']);
  });

  test('stays when it had said something, or when another question follows', () => {
    const half = [said(1, 'hello'), failed(2, { content: text('half') }), said(3, 'hello')];
    expect(keys(half)).toEqual(['m1', 'm2', 'm3']);
    expect(keys([said(1, 'hello'), failed(2), said(3, 'else')])).toEqual(['m1', 'm2', 'm3']);
  });
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
