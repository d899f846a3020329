/** What scopes, levels and other codes mean, in words. The words are the dialog's own. */

import type { ApprovalCommand, PendingDevice, PermissionName, SessionEntry } from '../generated/protocol';
import words from '../generated/words.json';

import { oneLine } from './format';

interface ScopeWords {
  sentence: string;
  farReaching: boolean;
}

const scopes: Record<string, ScopeWords | undefined> = words.scopes;
const levels: Record<string, string | undefined> = words.levels;

export interface ScopeLine {
  scope: string;
  sentence: string;
  isFarReaching: boolean;
  isAdded: boolean;
}

/** Scopes in words: the far-reaching first, otherwise in the order of the words. */
export function scopeLines(asked: readonly string[], added: readonly string[] = []): ScopeLine[] {
  const order = Object.keys(scopes);
  const rank = (scope: string) => {
    const at = order.indexOf(scope);
    return (scopes[scope]?.farReaching ? 0 : 100) + (at < 0 ? 99 : at);
  };
  return [...new Set(asked)]
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
    .map((scope) => {
      const known = Object.hasOwn(scopes, scope) ? scopes[scope] : undefined;
      return {
        scope,
        sentence:
          known?.sentence ?? `"${oneLine(scope, 64)}": Tidegate does not know it, and it opens nothing here.`,
        isFarReaching: known?.farReaching ?? false,
        isAdded: added.includes(scope),
      };
    });
}

/** What a level allows. */
export function levelSentence(level: string): string {
  return (Object.hasOwn(levels, level) ? levels[level] : undefined) ?? `Level ${oneLine(level, 20)}.`;
}

/** What kind of request it is, in a sentence without text from outside. */
export function requestSentence(request: PendingDevice): string {
  const who = request.deviceId.startsWith('program:') ? 'program' : 'device';
  switch (request.reason) {
    case 'scope-upgrade':
      return `A known ${who} asks for more than it has.`;
    case 'role-upgrade':
      return `A known ${who} asks for another role.`;
    case 'unidentified':
      return `A ${who} connects from a program that could not be identified.`;
    case 'metadata-upgrade':
      return `A known ${who} says that it is another kind of ${who} now.`;
    default:
      return `A new ${who} wants to pair.`;
  }
}

/** What an agent wants to do, as a sentence. */
export function operationSentence({ file }: ApprovalCommand): string {
  if (file?.trigger) return 'An agent wants to change a file that can run commands as you.';
  switch (file?.action) {
    case undefined:
      return 'An agent wants to run a command.';
    case 'read':
      return 'An agent wants to read a file outside its workspace.';
    case 'write':
      return `An agent wants to ${file?.exists ? 'replace' : 'create'} a file outside its workspace.`;
    case 'edit':
      return 'An agent wants to change a file outside its workspace.';
  }
}

/** What an agent wants to do, in few words: the command, or the tool and the path. Not cleaned. */
export function operationTitle({ command, file }: ApprovalCommand): string {
  return file ? `${file.action} ${file.path}` : command;
}

/** The texts of what an agent wants to do, whole. */
export function operationParts({ command, file }: ApprovalCommand): { label: string; text: string }[] {
  if (!file) return [{ label: 'The command', text: command }];
  const parts = [
    { label: 'Its new content', text: file.content },
    { label: 'Old text', text: file.oldText },
    { label: 'New text', text: file.newText },
  ];
  return parts.flatMap(({ label, text }) => (typeof text === 'string' ? [{ label, text }] : []));
}

/** Cautions that a person should read before deciding. */
export function cautions(request: PendingDevice): string[] {
  const found: string[] = [];
  if (request.knownName) {
    found.push('You gave this name to another device. This one has a different key.');
  }
  if (request.unidentified) found.push(words.cautions.unidentified);
  if (request.caution) found.push(oneLine(request.caution, 300));
  return found;
}

/** The kinds of permissions, in the order in which they are shown. */
export const PERMISSION_KINDS = [
  'contained',
  'needs',
  'rule',
  'task',
  'read',
] as const satisfies readonly PermissionName[];

/** What each kind of permission is called, above those of its kind. */
export const PERMISSION_TITLES: Record<PermissionName, string> = {
  contained: 'Folders in which agents run contained commands',
  needs: 'What commands may need, for 30 days',
  rule: 'Rules for commands',
  task: 'For one task',
  read: 'Reading for one session',
};

/** Why nobody was asked about something, by the permission that it used. */
export const NOT_ASKED: Record<PermissionName, string> = {
  contained: 'Not asked: you allowed contained commands in this folder.',
  needs: 'Not asked: you allowed what it needs, in this folder for 30 days.',
  rule: 'Not asked: you allowed commands that begin like this one.',
  task: 'Not asked: you allowed what it needs, for this task.',
  read: 'Not asked: you allowed reading below this folder, for this session.',
};

export type Tone = 'ok' | 'busy' | 'wait' | 'fail' | 'quiet';

/** The state of a session's newest run. `asks` says whether it waits for the person's decision. */
export function sessionState(
  status: SessionEntry['status'],
  activity?: string,
  asks = false,
): { text: string; tone: Tone } {
  if (asks) return { text: 'Waiting for you', tone: 'wait' };
  if (activity === 'queued') return { text: 'Queued', tone: 'wait' };
  if (activity === 'waiting') return { text: 'Waiting', tone: 'wait' };
  if (activity === 'working') return { text: 'Working', tone: 'busy' };
  switch (status) {
    case 'running':
      return { text: 'Working', tone: 'busy' };
    case 'done':
      return { text: 'Done', tone: 'ok' };
    case 'failed':
      return { text: 'Failed', tone: 'fail' };
    case 'timeout':
      return { text: 'Out of time', tone: 'fail' };
    case 'killed':
      return { text: 'Stopped', tone: 'quiet' };
    default:
      return { text: 'Idle', tone: 'quiet' };
  }
}
