/** Sessions: conversations, and what they started. */

import type { SessionEntry } from '../generated/protocol';

import { DAY, HOUR, MINUTE } from './durations';

export const MAIN = 'agent:main:main';
export const NOTES = 'agent:main:subagent:1f22e933-0a9a-46e8-9050-4e0ebe6369f5';
export const LINKS = 'agent:main:subagent:25670ca0-7d12-4981-9379-d81ab80c6a3c';
export const TIDES = 'agent:main:chat-7b1d';

/** A session. */
export function entry(key: string, more: Partial<SessionEntry>): SessionEntry {
  return {
    key,
    sessionId: `${key}#1`,
    agentId: 'main',
    kind: 'direct',
    updatedAt: 0,
    spawnDepth: 0,
    abortedLastRun: false,
    inputTokens: 0,
    outputTokens: 0,
    totalTokens: 0,
    totalTokensFresh: true,
    ...more,
  };
}

export function sessions(now: number): SessionEntry[] {
  const withModel = (key: string, more: Partial<SessionEntry>) =>
    entry(key, { modelProvider: 'ollama', model: 'qwen3:14b', ...more });
  return [
    withModel(MAIN, {
      updatedAt: now - 30_000,
      startedAt: now - 2 * MINUTE,
      status: 'running',
      lastRunId: 'run-main',
      totalTokens: 18_420,
      workspace: '/home/ada/projects/harbour',
      lastMessagePreview: 'Write the release notes for Harbour 1.0',
    }),
    withModel(NOTES, {
      label: 'release notes',
      parentSessionKey: MAIN,
      spawnDepth: 1,
      updatedAt: now - 31_000,
      startedAt: now - 95_000,
      status: 'running',
      lastRunId: 'run-notes',
      totalTokens: 6210,
    }),
    withModel(LINKS, {
      label: 'check the links',
      parentSessionKey: MAIN,
      spawnDepth: 1,
      updatedAt: now - 60_000,
      startedAt: now - 100_000,
      endedAt: now - 60_000,
      runtimeMs: 40_000,
      status: 'done',
      totalTokens: 2904,
    }),
    withModel('agent:main:subagent:77aa70ca-0000-4981-9379-d81ab80c6a3c', {
      label: 'dead links in the handbook',
      parentSessionKey: LINKS,
      spawnDepth: 2,
      updatedAt: now - 70_000,
      startedAt: now - 90_000,
      endedAt: now - 70_000,
      runtimeMs: 20_000,
      status: 'failed',
      totalTokens: 811,
    }),
    withModel(TIDES, {
      createdAt: now - 5 * HOUR - 20_000,
      updatedAt: now - 5 * HOUR,
      startedAt: now - 5 * HOUR - 20_000,
      endedAt: now - 5 * HOUR,
      runtimeMs: 20_000,
      status: 'done',
      totalTokens: 1330,
      lastMessagePreview: 'How do I read a tide table?',
    }),
    withModel('agent:main:chat-90aa', {
      createdAt: now - 2 * DAY - 5000,
      updatedAt: now - 2 * DAY,
      startedAt: now - 2 * DAY - 5000,
      endedAt: now - 2 * DAY,
      runtimeMs: 5000,
      status: 'killed',
      totalTokens: 402,
      lastMessagePreview: 'Rename the photos by date',
    }),
  ];
}
