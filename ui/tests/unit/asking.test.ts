import { describe, expect, test } from 'vitest';

import { waiting } from '../../src/fake/waiting';
import type { ActiveRun } from '../../src/generated/protocol';
import { isAsking } from '../../src/lib/asking';

const MAIN = 'agent:main:main';
const CHILD = 'agent:main:subagent:1';

function run(runId: string, sessionKey: string, parent?: string): ActiveRun {
  return { activity: 'waiting', runId, sessionKey, since: 0, ...(parent ? { parent } : {}) };
}

function asked(sessionKey: string, runId: string) {
  const first = waiting(0).commands[0];
  if (!first) throw new Error('the made-up world has a command that waits');
  return [{ ...first, request: { ...first.request, sessionKey, runId } }];
}

describe('a session that waits for the person', () => {
  test('asks itself, or one of its subagents does, however deep', () => {
    const deep = 'agent:main:subagent:2';
    const active = [run('a', MAIN), run('b', CHILD, 'a'), run('c', deep, 'b')];

    expect(isAsking(MAIN, asked(MAIN, 'a'), active)).toBe(true);
    expect(isAsking(MAIN, asked(deep, 'c'), active)).toBe(true);
    expect(isAsking(CHILD, asked(deep, 'c'), active)).toBe(true);
  });

  test('is not one whose parent asks, nor one beside it', () => {
    const active = [run('a', MAIN), run('b', CHILD, 'a')];

    expect(isAsking(CHILD, asked(MAIN, 'a'), active)).toBe(false);
    expect(isAsking('agent:main:other', asked(CHILD, 'b'), active)).toBe(false);
    expect(isAsking(MAIN, [], active)).toBe(false);
  });

  test('is found where runs name each other in a circle, or are not there', () => {
    const circle = [run('a', 'agent:main:x', 'b'), run('b', CHILD, 'a')];

    expect(isAsking(MAIN, asked(CHILD, 'b'), circle)).toBe(false);
    expect(isAsking(MAIN, asked(CHILD, 'gone'), [])).toBe(false);
  });
});
