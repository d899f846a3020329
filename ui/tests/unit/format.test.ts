import { describe, expect, test } from 'vitest';

import { sentenceOf } from '../../src/backend/backend';
import { entry } from '../../src/fake/sessions';
import { fileAsked, pending } from '../../src/fake/waiting';
import type { PairingReason } from '../../src/generated/protocol';
import words from '../../src/generated/words.json';
import {
  ago,
  asSentence,
  daysLeft,
  duration,
  left,
  oneLine,
  plural,
  folderName,
  sessionTitle,
  tokens,
  uptime,
  visibleText,
} from '../../src/lib/format';
import { treeRows } from '../../src/lib/tree';
import {
  cautions,
  levelSentence,
  operationParts,
  operationSentence,
  requestSentence,
  scopeLines,
  sessionState,
} from '../../src/lib/words';

const NOW = Date.UTC(2026, 2, 12, 10, 30);
const MINUTE = 60_000;

test.each([
  [0, 'just now'],
  [-5000, 'just now'],
  [50_000, '1 minute ago'],
  [5 * MINUTE, '5 minutes ago'],
  [60 * MINUTE, '1 hour ago'],
  [30 * 60 * MINUTE, 'yesterday'],
  [3 * 24 * 60 * MINUTE, '3 days ago'],
])('%i ms ago is "%s"', (since, words) => expect(ago(NOW - since, NOW)).toBe(words));

test('what never happened is "never"', () => {
  expect(ago(null, NOW)).toBe('never');
  expect(ago(undefined, NOW)).toBe('never');
  expect(ago(Number.NaN, NOW)).toBe('never');
});

test.each([
  [420, '420 ms'],
  [4200, '4.2 s'],
  [42_000, '42 s'],
  [185_000, '3 min 5 s'],
  [180_000, '3 min'],
  [130 * MINUTE, '2 h 10 min'],
  [-1, '0 s'],
  [Number.POSITIVE_INFINITY, '0 s'],
])('%d ms are "%s"', (ms, words) => expect(duration(ms)).toBe(words));

test('time that is up is said to be up', () => {
  expect(left(NOW - 1, NOW)).toBe('time is up');
  expect(left(NOW + 90_000, NOW)).toBe('1 min 30 s left');
  expect(daysLeft(NOW + 90_000, NOW)).toBe('1 min 30 s left');
  expect(daysLeft(NOW + 30 * 86_400_000, NOW)).toBe('30 days left');
  expect(daysLeft(NOW + 29 * 86_400_000 + 1, NOW)).toBe('30 days left');
});

test('a start that was just now is not told in milliseconds', () => {
  expect([uptime(0), uptime(960), uptime(12_000)]).toEqual(['a few seconds', 'a few seconds', '12 s']);
});

test('numbers are short', () => {
  expect([tokens(982), tokens(1234), tokens(45_600), tokens(3_100_000)]).toEqual([
    '982',
    '1.2k',
    '46k',
    '3.1M',
  ]);
  expect([plural(1, 'request'), plural(0, 'request')]).toEqual(['1 request', '0 requests']);
});

describe('text from outside', () => {
  test('becomes one bounded line without what hides or reorders', () => {
    expect(oneLine('a\nb\tc\u0007d')).toBe('a b c d');
    expect(oneLine('safe\u202egnp.exe\u200b\u{e0041}')).toBe('safegnp.exe');
    expect(oneLine('\u115f\u1160\u2800\u3000\u3164\ufffc\uffa0')).toBe('');
    expect(oneLine('a' + '\u0301'.repeat(60))).toBe('a\u0301\u0301');
    expect([...oneLine('x'.repeat(500), 40)]).toHaveLength(40);
    expect(oneLine('👩‍🚀'.repeat(300), 20).endsWith('…')).toBe(true);
    expect(oneLine(null)).toBe('');
  });

  test('keeps its lines in commands, with hidden characters made visible', () => {
    expect(visibleText('rm -rf \u202ex\nls')).toBe('rm -rf \\u{202e}x\nls');
  });

  test('names of sessions are cleaned, and there is always one', () => {
    expect(folderName('/home/ada/projects/site')).toBe('site');
    expect(folderName('/home/ada/a\u202eb/')).toBe('ab');
    expect(folderName('C:\\work\\site')).toBe('site');
    expect(folderName('/')).toBe('/');
    expect(sessionTitle({ key: 'agent:main:x', label: 'a\u202eb' })).toBe('ab');
    expect(sessionTitle({ key: 'agent:main:main' })).toBe('Main');
    expect(sessionTitle({ key: 'agent:main:subagent:1f22e933-0a9a' })).toBe('Subagent 1f22e933');
    expect(sessionTitle({ key: 'agent:main:chat-1' })).toBe('New chat');
    expect(sessionTitle({ key: 'agent:main:chat-1', createdAt: NOW })).toMatch(/^Chat of 12 Mar, \d\d:\d\d$/);
  });
});

describe('words', () => {
  test('far-reaching rights come first, unknown ones last and harmless', () => {
    const lines = scopeLines(
      ['operator.read', 'evil<script>', 'operator.pairing', 'operator.admin'],
      ['operator.admin'],
    );
    expect(lines.map((line) => line.scope)).toEqual([
      'operator.admin',
      'operator.pairing',
      'operator.read',
      'evil<script>',
    ]);
    expect(lines.map((line) => line.isFarReaching)).toEqual([true, true, false, false]);
    expect(lines.filter((line) => line.isAdded)).toHaveLength(1);
    expect(lines[3]?.sentence).toContain('opens nothing here');
  });

  test('names that every object has are unknown scopes', () => {
    expect(scopeLines(['constructor', '__proto__'])[0]?.sentence).toContain('does not know it');
    expect(levelSentence('toString')).toBe('Level toString.');
  });

  test('every kind of request has a sentence of its own', () => {
    const of = (reason: PairingReason, deviceId: string) =>
      requestSentence(pending({ requestId: 'x', deviceId, scopes: [], reason, ts: 0 }));
    const reasons = [
      'not-paired',
      'scope-upgrade',
      'role-upgrade',
      'metadata-upgrade',
      'unidentified',
    ] as const;
    const all = reasons.flatMap((reason) => [of(reason, 'abc'), of(reason, 'program:/x')]);
    expect(new Set(all).size).toBe(10);
  });

  test('a command that could be behind a request is a caution, in the words of the dialog', () => {
    const of = (unidentified?: boolean) =>
      cautions(
        pending({
          requestId: 'x',
          deviceId: 'abc',
          scopes: [],
          ts: 0,
          ...(unidentified === undefined ? {} : { unidentified }),
        }),
      );
    expect(of(true)).toEqual([words.cautions.unidentified]);
    expect(of(false)).toEqual([]);
    expect(of()).toEqual([]);
  });

  test('what is known of a run at this moment goes before its last state', () => {
    expect(sessionState('running', 'waiting').text).toBe('Waiting');
    expect(sessionState('running', 'working', true).text).toBe('Waiting for you');
    expect(sessionState('killed').text).toBe('Stopped');
    expect(sessionState(undefined).text).toBe('Idle');
  });

  test('every error is a sentence', () => {
    expect(asSentence('the disk is full')).toBe('The disk is full.');
    expect(asSentence('Really?')).toBe('Really?');
    expect(sentenceOf(undefined)).toMatch(/\.$/);
    expect(sentenceOf(new Error('no'))).toBe('No.');
  });
});

describe('the tree of sessions', () => {
  const row = (key: string, parentSessionKey?: string, status?: 'running') =>
    entry(key, { ...(parentSessionKey ? { parentSessionKey } : {}), ...(status ? { status } : {}) });
  const shape = (rows: ReturnType<typeof treeRows>) => rows.map((one) => `${one.level}${one.session.key}`);

  test('children stand below their parents', () => {
    const rows = treeRows([row('c', 'b'), row('a'), row('b', 'a', 'running')], new Set());
    expect(shape(rows)).toEqual(['1a', '2b', '3c']);
    expect(rows[0]).toMatchObject({ children: 1, working: 1, isOpen: true });
  });

  test('what is folded hides everything below it', () => {
    expect(shape(treeRows([row('a'), row('b', 'a'), row('c', 'b')], new Set(['a'])))).toEqual(['1a']);
  });

  test('sessions whose parents are unknown, or that go in a circle, are still shown', () => {
    const rows = treeRows([row('a', 'gone'), row('b', 'c'), row('c', 'b'), row('d', 'd')], new Set());
    expect(rows.map((one) => one.session.key).sort()).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('what an agent wants to do', () => {
  const asked = (file: Parameters<typeof fileAsked>[1]) => fileAsked(NOW, file).request;

  test('is said by kind, and a file that is not there is created', () => {
    const path = '/home/ana/x';
    expect(operationSentence(asked({ action: 'read', path, exists: true, trigger: false }))).toContain(
      'read a file',
    );
    expect(operationSentence(asked({ action: 'write', path, exists: true, trigger: false }))).toContain(
      'replace a file',
    );
    expect(operationSentence(asked({ action: 'write', path, exists: false, trigger: false }))).toContain(
      'create a file',
    );
    expect(operationSentence(asked({ action: 'edit', path, exists: true, trigger: false }))).toContain(
      'change a file',
    );
    const command = { ...asked({ action: 'read', path, exists: true, trigger: false }), file: null };
    expect(operationSentence(command)).toBe('An agent wants to run a command.');
  });

  test('is shown with every text, also an empty one', () => {
    const edit = asked({
      action: 'edit',
      path: '/x',
      exists: true,
      trigger: false,
      oldText: 'old',
      newText: '',
    });
    expect(operationParts(edit)).toEqual([
      { label: 'Old text', text: 'old' },
      { label: 'New text', text: '' },
    ]);
    expect(operationParts(asked({ action: 'read', path: '/x', exists: true, trigger: false }))).toEqual([]);
  });
});
