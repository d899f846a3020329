/** Times, numbers and names for people. Pure. */

import type { SessionEntry } from '../generated/protocol';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago, in words: "just now", "5 minutes ago", "yesterday", "12 Mar 2026". */
export function ago(at: number | null | undefined, now: number): string {
  if (at === null || at === undefined || !Number.isFinite(at)) return 'never';
  const since = now - at;
  if (since < 45 * SECOND) return 'just now';
  if (since < HOUR) return plural(Math.max(1, Math.round(since / MINUTE)), 'minute') + ' ago';
  if (since < DAY) return plural(Math.round(since / HOUR), 'hour') + ' ago';
  if (since < 2 * DAY) return 'yesterday';
  if (since < 7 * DAY) return plural(Math.floor(since / DAY), 'day') + ' ago';
  return new Date(at).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
}

/** How much time is left: "4 min 20 s left", "less than a minute"; empty when it is over. */
export function left(until: number, now: number): string {
  const rest = until - now;
  if (rest <= 0) return 'time is up';
  return `${duration(rest)} left`;
}

/** The same for what lasts weeks: whole days, rounded up; below two days as `left`. */
export function daysLeft(until: number, now: number): string {
  const rest = until - now;
  return rest < 2 * DAY ? left(until, now) : `${Math.ceil(rest / DAY)} days left`;
}

/** A span: "420 ms", "4.2 s", "3 min 5 s", "2 h 10 min", "3 d 4 h". */
export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return '0 s';
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  const two = (large: number, small: number, [a, b]: [string, string]) => {
    const rest = Math.floor((ms % large) / small);
    return rest === 0 ? `${Math.floor(ms / large)} ${a}` : `${Math.floor(ms / large)} ${a} ${rest} ${b}`;
  };
  if (ms < HOUR) return two(MINUTE, SECOND, ['min', 's']);
  if (ms < DAY) return two(HOUR, MINUTE, ['h', 'min']);
  return two(DAY, HOUR, ['d', 'h']);
}

/** How long something has been running: "a few seconds", "12 s", "3 min 5 s". */
export function uptime(ms: number): string {
  return ms < 10 * SECOND ? 'a few seconds' : duration(ms);
}

/** The full time, for a tooltip and for the audit log. */
export function dateTime(at: number): string {
  return new Date(at).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
}

/** The time of day, with the date when it was not today. */
export function clock(at: number, now: number): string {
  const then = new Date(at);
  const time = then.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  if (new Date(now).toDateString() === then.toDateString()) return time;
  return `${then.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })}, ${time}`;
}

/** Begins with a capital and ends with a full stop, as errors of the gateway do not always. */
export function asSentence(text: string): string {
  const trimmed = text.trim();
  if (!trimmed) return trimmed;
  const begun = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…:]$/.test(begun) ? begun : `${begun}.`;
}

/** "1 request", "2 requests". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Tokens: "982", "12.4k", "3.1M". */
export function tokens(count: number): string {
  if (count < 1000) return String(count);
  if (count < 1_000_000) return `${(count / 1000).toFixed(count < 10_000 ? 1 : 0)}k`;
  return `${(count / 1_000_000).toFixed(1)}M`;
}

/**
 * A text from outside as one line: control, direction-changing, invisible and blank characters become
 * spaces or nothing, stacked marks are reduced to two, and it is cut. The gateway cleans names too; this
 * holds for everything else.
 */
export function oneLine(text: string | null | undefined, max = 200): string {
  const clean = (text ?? '')
    .slice(0, max * 8)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    // What shows nothing, and marks beyond two on one character.
    .replace(/[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Co}\u2800\ufffc\u{1d159}]/gu, '')
    .replace(/([\p{Mn}\p{Me}]{2})[\p{Mn}\p{Me}]+/gu, '$1')
    .replace(/\s+/g, ' ')
    .trim();
  const characters = [...clean];
  return characters.length > max ? characters.slice(0, max - 1).join('') + '…' : clean;
}

/** Removes what reorders or hides text, and keeps line breaks: for commands and tool output. */
export function visibleText(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`,
  );
}

/** Prose without control characters and without what reorders the text around it. */
export function prose(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '');
}

/** What a session is called: its label, or when it began. Its messages change; its name does not. */
export function sessionTitle(session: Pick<SessionEntry, 'key'> & Partial<SessionEntry>): string {
  const given = oneLine(session.label ?? session.displayName, 80);
  if (given) return given;
  if (session.key === 'agent:main:main') return 'Main';
  const name = session.key.split(':').slice(2).join(':');
  if (name.startsWith('subagent:')) return `Subagent ${oneLine(name.slice(9, 17))}`;
  if (!name.startsWith('chat-')) return oneLine(name || session.key, 60);
  if (!session.createdAt) return 'New chat';
  const began = new Date(session.createdAt);
  const day = began.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  const time = began.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  return `Chat of ${day}, ${time}`;
}

/** What a folder is called: the last part of its path. */
export function folderName(path: string): string {
  const parts = path.split(/[\\/]/).filter((part) => part !== '');
  return oneLine(parts.at(-1) ?? path, 60);
}

/** A model as `provider/model`, or nothing when none was used yet. */
export function modelName(session: Pick<SessionEntry, 'model' | 'modelProvider'>): string {
  if (!session.model) return '';
  return session.modelProvider ? `${session.modelProvider}/${session.model}` : session.model;
}

/** A device id or fingerprint in groups of four. */
export function grouped(id: string, length = 16): string {
  return id.slice(0, length).replace(/(.{4})(?=.)/g, '$1 ');
}
