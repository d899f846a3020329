/** Worlds that differ from the usual one. */

import type { ChatMessage } from '../generated/protocol';

import { MAIN, entry } from './sessions';
import { check, logged, model } from './status';
import { said } from './transcripts';
import { fileAsked, pending } from './waiting';
import type { World } from './world';

/** Text that would do harm if it were anything but text. */
export const HOSTILE = [
  '<img src=x onerror="window.__harm=1">',
  '<script>window.__harm=1</script>',
  '</textarea><svg onload=window.__harm=1>',
  '\u202egnp.exe {@html window.__harm=1} %s%n ${window.__harm=1}',
  'A very long name '.repeat(12),
];

export function fresh(world: World, now: number): World {
  world.status = {
    ...world.status,
    uptimeMs: 40_000,
    secrets: { state: 'absent', sentence: 'There is no working system keyring.' },
    store: { state: 'new', sentence: 'The store is new.' },
    models: { default: 'offline/demo', offline: true },
    active: [],
    gateway: {
      ...world.status.gateway,
      devices: 0,
      programs: 0,
      tokens: 0,
      waitingCommands: 0,
      waitingRequests: 0,
    },
    desktop: {
      tray: {
        state: 'missing',
        sentence:
          'This desktop shows no tray icons. Install an extension for them (on GNOME: AppIndicator), or open ' +
          'Tidegate from the application menu.',
      },
      notifications: {
        state: 'missing',
        sentence: 'No notification service runs. Requests are shown by dialogs only.',
      },
      autostart: false,
    },
  };
  const keyring =
    'Install and start one (for example gnome-keyring or KWallet), or point the configuration to an environment ' +
    'variable or a private file. Until then secrets are kept for this run only.';
  const addModel =
    'Start Ollama, LM Studio or llama.cpp on this computer, or add a key for a model server with the button below.';
  world.checks = [
    check('gateway', 'ok', 'The gateway listens on ws://127.0.0.1:18790.'),
    check('store', 'ok', 'The store is new.'),
    check('keyring', 'warn', 'There is no working system keyring.', keyring),
    check(
      'model',
      'warn',
      'No model is connected: answers come from the built-in demo, which has no intelligence.',
      addModel,
    ),
  ];
  world.waiting = { requests: [], commands: [], settings: [] };
  world.files = [];
  world.permissions = { askEverything: false, permissions: [], unasked: [], unaskedCount: 0 };
  world.devices = world.devices.filter((device) => device.builtIn);
  world.blocked = [];
  world.tokens = { sharedToken: true, tokens: [], programs: [] };
  world.audit = [
    logged(now - 40_000, 'own-client.admitted', 'info', "Tidegate's own client connected", 'own client'),
  ];
  world.models = [model('offline', 'demo', 'Offline demo', null, ['default'])];
  world.sessions = [];
  world.transcripts = new Map();
  return world;
}

export function busy(world: World, now: number): World {
  for (let at = 0; at < 24; at += 1) {
    const key = `agent:main:subagent:busy-${at}`;
    world.sessions.push(
      entry(key, {
        label: `file ${at + 1} of 24`,
        parentSessionKey: MAIN,
        spawnDepth: 1,
        updatedAt: now - at * 1000,
        startedAt: now - 60_000,
        status: at % 3 === 0 ? 'running' : 'done',
        totalTokens: 900 + at * 37,
        runtimeMs: 12_000 + at * 800,
        modelProvider: 'ollama',
        model: 'qwen3:14b',
      }),
    );
  }
  world.waiting.commands.push(
    fileAsked(now, {
      action: 'write',
      path: '/home/ana/notes/today.md',
      exists: true,
      trigger: false,
      content: 'Call the harbour master.\nAsk for the tide tables.\n',
    }),
  );
  return world;
}

export function hostile(world: World, now: number): World {
  const name = (at: number) => HOSTILE[at % HOSTILE.length] ?? '';
  world.waiting.requests = HOSTILE.map((text, at) =>
    pending({
      requestId: `0000000${at}-aaaa-4bbb-8ccc-dddddddddddd`,
      code: `0000000${at}`,
      deviceId: `program:${text}`,
      displayName: text,
      platform: text,
      role: 'operator',
      scopes: ['operator.admin', text.slice(0, 60)],
      adds: ['operator.admin'],
      reason: 'not-paired',
      from: text,
      knownName: true,
      caution: text,
      ts: now - 1000,
      expiresAtMs: now + 200_000,
    }),
  );
  for (const command of world.waiting.commands) command.request.command = HOSTILE.join('\n');
  const text = HOSTILE.join('\n');
  world.waiting.commands.push(
    fileAsked(now, {
      action: 'edit',
      path: `/home/ana/${name(0)}`,
      exists: true,
      trigger: false,
      oldText: text,
      newText: text,
    }),
  );
  for (const [at, permission] of world.permissions.permissions.entries()) {
    permission.folder = permission.sentence = name(at);
    if (permission.prefix) permission.prefix = [name(at), name(at + 1)];
  }
  for (const [at, entry] of world.permissions.unasked.entries()) entry.title = name(at);
  for (const command of world.waiting.commands) {
    command.whyAsked = name(3);
    command.offers = [{ offer: { kind: 'task' }, sentence: name(0) }];
  }
  for (const [at, device] of world.devices.entries()) device.displayName = name(at);
  for (const block of world.blocked) block.name = name(0);
  for (const token of world.tokens.tokens) token.name = name(1);
  for (const program of world.tokens.programs) program.script = name(0);
  for (const [at, session] of world.sessions.entries()) session.label = name(at);
  for (const [at, event] of world.audit.entries()) {
    event.subject = name(at);
    event.line = name(at);
  }
  for (const model of world.models) model.name = model.id = name(0);
  world.transcripts.set(
    MAIN,
    HOSTILE.map((text, at) =>
      said(at + 1, at % 2 ? 'assistant' : 'user', `${text}\n\n[x](javascript:alert(1))`, now),
    ),
  );
  return world;
}

export function long(world: World, now: number): World {
  const messages: ChatMessage[] = [];
  for (let seq = 1; seq <= 4000; seq += 2) {
    messages.push(said(seq, 'user', `Question ${seq}: what changed in chapter ${seq}?`, now));
    messages.push(
      said(
        seq + 1,
        'assistant',
        `Answer ${seq + 1}.\n\n- a **first** point\n- a second one with \`code\``,
        now,
      ),
    );
  }
  world.transcripts.set(MAIN, messages);
  return world;
}
