/**
 * Frames through Tauri's inter-process calls: `backend_open` makes a connection of this window's
 * own and delivers its frames through a channel; `backend_send` carries one frame back. Nothing
 * secret is in the page: the shell knows which window calls.
 */

import { Channel, invoke } from '@tauri-apps/api/core';

import type { Link, LinkHandlers, Transport } from './connection';

export const tauriTransport: Transport = {
  async open(handlers: LinkHandlers): Promise<Link> {
    if (!('__TAURI_INTERNALS__' in window)) {
      throw new Error("This page works only in Tidegate's own window. Open it from Tidegate's tray icon.");
    }
    let isOpen = true;
    const channel = new Channel<unknown>();
    channel.onmessage = (message) => {
      if (!isOpen) return;
      if (typeof message === 'string') handlers.frame(message);
      // Anything else is the shell's word that the connection ended.
      else handlers.closed(reasonOf(message));
    };
    await invoke('backend_open', { channel });
    return {
      async send(text) {
        try {
          await invoke('backend_send', { text });
        } catch (error) {
          const reason = reasonOf(error);
          if (isOpen) handlers.closed(reason);
          throw new Error(reason);
        }
      },
      close() {
        isOpen = false;
      },
    };
  },
};

function reasonOf(value: unknown): string {
  if (typeof value === 'string' && value) return value;
  if (typeof value === 'object' && value !== null) {
    for (const name of ['closed', 'reason', 'message']) {
      const text: unknown = (value as Record<string, unknown>)[name];
      if (typeof text === 'string' && text) return text;
    }
  }
  return 'The gateway stopped.';
}
