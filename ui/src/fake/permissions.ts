/** What a person allowed for more than one time, and what ran by that. */

import type { PermissionEntry, PermissionsListResult } from '../generated/protocol';

import { DAY, HOUR, MINUTE } from './durations';
import { MAIN, NOTES, TIDES } from './sessions';

/** A permission. */
export function permission(
  entry: Pick<PermissionEntry, 'id' | 'kind' | 'folder' | 'sentence' | 'grantedAtMs'> &
    Partial<PermissionEntry>,
): PermissionEntry {
  return { needs: [], ...entry };
}

export function permissions(now: number): PermissionsListResult {
  const folder = '/home/ana/projects/harbour';
  return {
    askEverything: false,
    permissions: [
      permission({
        id: '0b54a1de-3a7c-4d0e-9c3f-6f1f9f5b7a01',
        kind: 'contained',
        folder,
        sentence: `Agents run contained commands in ${folder} without asking, until you revoke this.`,
        grantedAtMs: now - 6 * DAY,
        lastUsedAtMs: now - 3 * MINUTE,
      }),
      permission({
        id: '0b54a1de-3a7c-4d0e-9c3f-6f1f9f5b7a02',
        kind: 'needs',
        folder,
        needs: ['git', 'network:packages.example.org'],
        sentence: `Agents run contained commands in ${folder} without asking, also with git, network:packages.example.org, for 30 days.`,
        grantedAtMs: now - 6 * DAY,
        expiresAtMs: now + 24 * DAY,
        lastUsedAtMs: now - 2 * HOUR,
      }),
      permission({
        id: '0b54a1de-3a7c-4d0e-9c3f-6f1f9f5b7a03',
        kind: 'rule',
        folder,
        prefix: ['npm', 'run', 'test'],
        program: '/usr/bin/npm',
        sentence: `Agents run commands that begin with npm run test in ${folder} without asking, until you revoke this.`,
        grantedAtMs: now - 2 * DAY,
        lastUsedAtMs: null,
      }),
      permission({
        id: '0b54a1de-3a7c-4d0e-9c3f-6f1f9f5b7a04',
        kind: 'read',
        folder: '/home/ana/notes',
        sessionKey: MAIN,
        sentence: 'One session reads files below /home/ana/notes without asking, until Tidegate quits.',
        grantedAtMs: now - 20 * MINUTE,
        lastUsedAtMs: now - 19 * MINUTE,
      }),
    ],
    unasked: [
      ran(now - 3 * MINUTE, MAIN, 'npm run theme'),
      ran(now - 9 * MINUTE, NOTES, "sed -n '1,80p' CHANGELOG.md | sort -u > build/changes.txt"),
      ran(now - 19 * MINUTE, MAIN, 'read /home/ana/notes/today.md'),
      ran(now - 2 * HOUR, TIDES, 'git commit -m "Faster tide tables"'),
    ],
    unaskedCount: 37,
  };
}

function ran(atMs: number, sessionKey: string, title: string): PermissionsListResult['unasked'][number] {
  return { atMs, sessionKey, title, runId: 'run-main', digest: '', permissions: [] };
}
