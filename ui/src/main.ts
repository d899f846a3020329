import { mount } from 'svelte';

import App from './App.svelte';
import './app.css';
import { Connection } from './backend/connection';
import { tauriTransport } from './backend/tauri';
import type { Scenario } from './fake/world';
import { GatewayState } from './state/gateway.svelte';

async function start(): Promise<void> {
  if (import.meta.env.DEV) {
    // `npm run dev`: the address names the scenario, as in `?usual`, `?fresh`, `?hostile`.
    const { installFakeShell } = await import('./fake/shell');
    installFakeShell((location.search.slice(1) || 'usual') as Scenario);
  }
  const target = document.getElementById('app');
  if (!target) return;
  const gateway = new GatewayState(new Connection(tauriTransport));
  mount(App, { target, props: { gateway } });
}

void start();
