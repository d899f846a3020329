/**
 * Stands in for the desktop shell: the same two calls, with a made-up gateway behind them. For
 * browser tests and for `npm run dev`; never part of the built window.
 */

import { FakeGateway } from './gateway';
import { type Scenario, type World, makeWorld } from './world';

export interface FakeShell {
  world: World;
  /** Every request, in order. */
  requests: FakeGateway['requests'];
  /** Sends an event to the window. */
  emit(event: string, payload: unknown): void;
  /** Ends the connection; with `keepAway` the next ones fail too. */
  drop(reason: string, keepAway?: boolean): void;
  /** Lets connections succeed again. */
  comeBack(): void;
}

/** Puts the stand-in where `@tauri-apps/api` looks for the shell. */
export function installFakeShell(scenario: Scenario, now = Date.now()): FakeShell {
  const callbacks = new Map<number, (value: unknown) => void>();
  let nextCallback = 1;
  let channel: { id: number; index: number } | null = null;
  let isAway = scenario === 'starting';
  const gateway = new FakeGateway(makeWorld(scenario, now), (text) => deliver(text));

  function deliver(message: unknown): void {
    if (!channel) return;
    callbacks.get(channel.id)?.({ message, index: channel.index++ });
  }

  const shell: FakeShell = {
    world: gateway.world,
    requests: gateway.requests,
    emit: (event, payload) => gateway.emit(event, payload),
    drop(reason, keepAway = false) {
      isAway = keepAway;
      deliver({ closed: reason });
      channel = null;
    },
    comeBack() {
      isAway = false;
    },
  };

  async function invoke(command: string, args: Record<string, unknown>): Promise<unknown> {
    await Promise.resolve();
    if (command === 'backend_open') {
      if (isAway) throw scenario === 'starting' ? 'The gateway is starting.' : 'The gateway does not run.';
      channel = { id: (args['channel'] as { id: number }).id, index: 0 };
      gateway.emit('tidegate.welcome', { version: gateway.world.status.version, desktop: true });
      return null;
    }
    if (command === 'backend_send') {
      if (!channel) throw 'The gateway does not run.';
      gateway.receive(String(args['text']));
      return null;
    }
    throw `${command} is not allowed here`;
  }

  Object.assign(window, {
    __fake: shell,
    __TAURI_INTERNALS__: {
      invoke,
      transformCallback(callback: (value: unknown) => void): number {
        callbacks.set(nextCallback, callback);
        return nextCallback++;
      },
      unregisterCallback: (id: number) => callbacks.delete(id),
    },
  });
  return shell;
}
