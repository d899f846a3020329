/** The one way from the pages to the gateway. No page knows how frames travel. */

import type { ErrorShape, Events, Methods } from '../generated/protocol';

import { asSentence } from '../lib/format';

export type ConnectionState =
  /** The gateway is being reached; nothing was heard yet. */
  | { kind: 'starting' }
  | { kind: 'connected'; version: string }
  /** Disconnected from the gateway; `retryAt` says when it is tried again, in milliseconds since 1970. */
  | { kind: 'lost'; reason: string; retryAt: number | null };

export interface RequestOptions<Method extends keyof Methods> {
  /** After how many milliseconds a request counts as unanswered; `null` waits as long as it takes. */
  timeoutMs?: number | null;
  /** For `agent`: called with the first of its two answers. */
  onAccepted?: (payload: Partial<Methods[Method]['result']>) => void;
}

export interface Backend {
  readonly state: ConnectionState;
  /** Calls back with every change of the state; the answer ends that. */
  onState(listener: (state: ConnectionState) => void): () => void;
  /** Calls back with an event's payload; the answer ends that. */
  on<Name extends keyof Events>(event: Name, listener: (payload: Events[Name]) => void): () => void;
  /** Asks the gateway. Rejects with a `RequestError`. */
  request<Method extends keyof Methods>(
    method: Method,
    params: Methods[Method]['params'],
    options?: RequestOptions<Method>,
  ): Promise<Methods[Method]['result']>;
  /** Tries now to reach a lost gateway. */
  reconnect(): void;
}

/** Why a request has no result. The message is a sentence for the person. */
export class RequestError extends Error {
  constructor(
    readonly kind: 'refused' | 'lost' | 'timeout' | 'oversized',
    message: string,
    readonly shape: ErrorShape | null = null,
  ) {
    super(message);
    this.name = 'RequestError';
  }
}

/** Whether a refusal says that Tidegate's own dialog was opened in its place. */
export function isDialogOpened(error: unknown): boolean {
  const details = error instanceof RequestError ? error.shape?.details : undefined;
  return typeof details === 'object' && details !== null && 'opened' in details && details.opened === true;
}

/** The sentence of anything that was thrown. */
export function sentenceOf(error: unknown): string {
  if (error instanceof Error && error.message) return asSentence(error.message);
  if (typeof error === 'string' && error) return asSentence(error);
  return 'Something went wrong, and Tidegate does not know why. The log says more.';
}
