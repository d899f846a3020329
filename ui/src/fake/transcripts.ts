/** What was said in the sessions. */

import type { ChatMessage, ContentBlock } from '../generated/protocol';

import { HOUR, MINUTE } from './durations';
import { LINKS, MAIN, TIDES } from './sessions';

export function transcripts(now: number): Map<string, ChatMessage[]> {
  const tool = (seq: number, id: string, name: string, text: string, isError = false): ChatMessage => ({
    role: 'toolResult',
    content: [{ type: 'text', text }],
    toolCallId: id,
    toolName: name,
    isError,
    timestamp: now - 100_000,
    __openclaw: { id: `m${seq}`, seq, runId: 'run-main' },
  });
  const call = (id: string, name: string, input: unknown): ContentBlock => ({
    type: 'toolCall',
    id,
    name,
    arguments: input,
  });
  const main: ChatMessage[] = [
    said(
      1,
      'user',
      'Write the release notes for Harbour 1.0. Check that all links in them work.',
      now - 3 * MINUTE,
    ),
    {
      ...said(
        2,
        'assistant',
        'I look at what changed first, and let two subagents work on it.',
        now - 2 * MINUTE,
      ),
      content: [
        { type: 'text', text: 'I look at what changed first, and let two subagents work on it.' },
        call('c1', 'read', { path: 'CHANGELOG.md' }),
        call('c2', 'read', { path: 'docs/missing.md' }),
        call('c4', 'exec', { command: 'npm run theme' }),
        call('c3', 'sessions_spawn', { label: 'check the links', task: 'Check every link in CHANGELOG.md.' }),
      ],
      __openclaw: { id: 'm2', seq: 2, runId: 'run-main' },
    },
    tool(
      3,
      'c1',
      'read',
      '# Changelog\n\n## 1.0\n\n- Boats can be moored from the phone.\n- Faster tide tables.',
    ),
    tool(4, 'c2', 'read', 'There is no file docs/missing.md in the workspace.', true),
    {
      ...tool(
        5,
        'c4',
        'exec',
        '[vendor/theme/.git/hooks/post-checkout would run when git is used here: set aside]\n[exit code 0]',
      ),
      details: { permission: 'contained' },
    },
    tool(6, 'c3', 'sessions_spawn', `{"childSessionKey":"${LINKS}","status":"accepted","mode":"run"}`),
    {
      role: 'system',
      content: [
        {
          type: 'text',
          text: 'The subagent "check the links" has finished.',
        },
      ],
      source: {
        kind: 'subagent',
        label: 'check the links',
        runId: 'run-links',
        sessionKey: LINKS,
        status: 'ok',
        report:
          'Your subagent "check the links" has ended.\nstatus: ok\n<untrusted-data id="1881411015e13b45" ' +
          'from="subagent">\nAll **14 links** work; one redirects:\n\n- `handbook/start` now leads to ' +
          '`handbook/begin`.\n</untrusted-data id="1881411015e13b45">',
      },
      timestamp: now - 60_000,
      __openclaw: { id: 'm7', seq: 7, runId: 'run-main' },
    },
    said(
      8,
      'assistant',
      '## Harbour 1.0\n\nBoats can now be **moored from the phone**, and tide tables open much faster.\n\n' +
        '| What | Before | Now |\n| --- | --- | --- |\n| Open a tide table | 1.8 s | 0.2 s |\n| Moor a boat | at the ' +
        'desk | anywhere |\n\n1. Update the app.\n2. Open *Boats*.\n3. Choose **Moor**.\n\n```sh\nharbour update ' +
        '--channel stable\n```\n\nMore is in the [handbook](https://harbour.example/handbook/begin).',
      now - 40_000,
    ),
  ];
  const tides: ChatMessage[] = [
    said(1, 'user', 'How do I read a tide table?', now - 5 * HOUR),
    said(
      2,
      'assistant',
      'A tide table lists **high and low water** with their times and heights.\n\n> Heights count from chart datum.\n\n' +
        'Find the day, then the two highs and two lows around your trip.',
      now - 5 * HOUR,
    ),
  ];
  return new Map([
    [MAIN, main],
    [TIDES, tides],
    [
      LINKS,
      [
        said(1, 'user', 'Check every link in CHANGELOG.md.', now),
        said(2, 'assistant', 'All 14 links work.', now),
      ],
    ],
  ]);
}

export function said(seq: number, role: 'user' | 'assistant', text: string, at: number): ChatMessage {
  return {
    role,
    content: [{ type: 'text', text }],
    timestamp: at,
    ...(role === 'assistant' ? { provider: 'ollama', model: 'qwen3:14b', stopReason: 'stop' } : {}),
    __openclaw: { id: `m${seq}`, seq, runId: `run-${seq}` },
  };
}
