/** Reads and writes frames. Pure. */

import type { ErrorShape } from '../generated/protocol';

/** The most characters of one frame, either way: what the gateway takes in one message. */
export const MAX_FRAME = 25 * 1024 * 1024;

export type Frame =
  | { kind: 'event'; event: string; payload: unknown }
  | { kind: 'answer'; id: string; ok: true; payload: unknown }
  | { kind: 'answer'; id: string; ok: false; error: ErrorShape; payload: unknown };

/** Reads one frame; `null` when it is none that this window understands. */
export function parseFrame(text: string): Frame | null {
  if (text.length > MAX_FRAME) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value)) return null;
  if (value['type'] === 'event' && typeof value['event'] === 'string') {
    return { kind: 'event', event: value['event'], payload: value['payload'] ?? {} };
  }
  if (value['type'] !== 'res' || typeof value['id'] !== 'string') return null;
  if (value['ok'] === true) {
    return { kind: 'answer', id: value['id'], ok: true, payload: value['payload'] };
  }
  const error = value['error'];
  const shape: ErrorShape =
    isRecord(error) && typeof error['message'] === 'string' && typeof error['code'] === 'string'
      ? (error as unknown as ErrorShape)
      : { code: 'UNAVAILABLE', message: 'The gateway refused this without saying why.' };
  return { kind: 'answer', id: value['id'], ok: false, error: shape, payload: value['payload'] };
}

/** Writes a request. */
export function requestFrame(id: string, method: string, params: unknown): string {
  return JSON.stringify({ type: 'req', id, method, params });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
