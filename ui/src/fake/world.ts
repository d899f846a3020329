/** Made-up but realistic state of a gateway, for browser tests and for `npm run dev`. */

import type {
  AuditEvent,
  Blocked,
  Check,
  ModelEntry,
  PairedDevice,
  SessionRow,
  Status,
  TokenList,
  TranscriptMessage,
  Waiting,
} from '../backend/protocol';

export type Scenario = 'usual' | 'fresh' | 'busy' | 'hostile' | 'long' | 'failing' | 'starting';

export interface World {
  scenario: Scenario;
  status: Status;
  checks: Check[];
  waiting: Waiting;
  devices: PairedDevice[];
  blocked: Blocked[];
  tokens: TokenList;
  audit: AuditEvent[];
  models: ModelEntry[];
  sessions: SessionRow[];
  transcripts: Map<string, TranscriptMessage[]>;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MAIN = 'agent:main:main';

/** Text that would do harm if it were anything but text. */
export const HOSTILE = [
  '<img src=x onerror="window.__harm=1">',
  '<script>window.__harm=1</script>',
  '</textarea><svg onload=window.__harm=1>',
  '\u202egnp.exe {@html window.__harm=1} %s%n ${window.__harm=1}',
  'A very long name '.repeat(12),
];

export function makeWorld(scenario: Scenario, now: number): World {
  const world = usual(now);
  world.scenario = scenario;
  switch (scenario) {
    case 'fresh':
      return fresh(world, now);
    case 'busy':
      return busy(world, now);
    case 'hostile':
      return hostile(world, now);
    case 'long':
      return long(world, now);
    default:
      return world;
  }
}

function usual(now: number): World {
  const device: PairedDevice[] = [
    {
      deviceId: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      displayName: 'Work laptop',
      operatorLabel: 'Work laptop',
      platform: 'linux',
      clientId: 'cli',
      clientMode: 'cli',
      scopes: ['operator.admin', 'operator.approvals', 'operator.read', 'operator.write'],
      lasts: 'always',
      approvedAtMs: now - 12 * DAY,
      lastSeenAtMs: now - 20_000,
      lastSeenFrom: 'this computer: /usr/bin/node, script /usr/lib/node_modules/openclaw/openclaw.mjs',
      connected: true,
    },
    {
      deviceId: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      displayName: 'Pixel 11',
      platform: 'android',
      deviceFamily: 'phone',
      clientId: 'openclaw-android',
      clientMode: 'app',
      scopes: ['operator.read', 'operator.write'],
      lasts: 'until-quit',
      approvedAtMs: now - 3 * HOUR,
      lastSeenAtMs: now - 40 * MINUTE,
      lastSeenFrom: 'local network, 192.168.1.23',
      connected: false,
    },
    {
      deviceId: '8bf3588ecc93fe2bad7e4fa8ea4da8033c92e5bab370b9cba70646775b67a02d',
      displayName: "Tidegate's own subagent client",
      builtIn: true,
      platform: 'linux',
      scopes: ['operator.admin'],
      lastSeenAtMs: now - 5 * MINUTE,
      connected: true,
    },
  ];
  return {
    scenario: 'usual',
    status: {
      version: '0.1.0',
      pid: 27535,
      stateDir: '/home/ana/.local/state/tidegate',
      port: 18790,
      url: 'ws://127.0.0.1:18790',
      uptimeMs: 3 * HOUR + 12 * MINUTE,
      gateway: {
        ready: true,
        connections: 3,
        devices: 2,
        programs: 1,
        tokens: 1,
        blocked: 0,
        waitingRequests: 1,
        waitingCommands: 1,
      },
      secrets: { state: 'available', sentence: 'Secrets are kept in the system keyring.' },
      store: { state: 'ok', sentence: 'The store is in order.' },
      models: { default: 'ollama/qwen3:14b', offline: false },
      paused: false,
      active: [
        {
          runId: 'run-main',
          sessionKey: MAIN,
          parent: null,
          label: null,
          since: now - 2 * MINUTE,
          activity: 'waiting',
        },
        {
          runId: 'run-notes',
          sessionKey: 'agent:main:subagent:1f22e933-0a9a-46e8-9050-4e0ebe6369f5',
          parent: 'run-main',
          label: 'release notes',
          since: now - 95_000,
          activity: 'working',
        },
      ],
      desktop: {
        tray: { state: 'ok', sentence: '' },
        notifications: { state: 'ok', sentence: '' },
        autostart: true,
      },
    },
    checks: [
      check('gateway', 'ok', 'The gateway listens on ws://127.0.0.1:18790.'),
      check('subagent client', 'ok', "Tidegate's own client is let in, silently."),
      check('store', 'ok', 'The store is in order.'),
      check('keyring', 'ok', 'Secrets are kept in the system keyring.'),
      check('configuration', 'ok', 'The configuration is valid.'),
      check('model', 'ok', 'Answers come from ollama/qwen3:14b.'),
    ],
    waiting: {
      requests: [
        {
          requestId: '5f1c29aa-6f0e-4a57-9f3a-2a3c4be0d7e1',
          code: '5f1c29aa',
          deviceId: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
          displayName: 'openclaw on desk-2',
          platform: 'linux',
          clientId: 'cli',
          clientMode: 'cli',
          version: '2026.9.6',
          role: 'operator',
          scopes: ['operator.read', 'operator.write', 'operator.admin', 'operator.pairing'],
          has: ['operator.read'],
          adds: ['operator.write', 'operator.admin', 'operator.pairing'],
          reason: 'scope-upgrade',
          from: 'this computer: /usr/bin/node, script /usr/lib/node_modules/openclaw/openclaw.mjs',
          ts: now - 50_000,
          expiresAtMs: now + 4 * MINUTE,
          fingerprint: '2c26 b46b 68ff c68f f99b',
        },
      ],
      commands: [
        {
          id: '493bb3df-fd38-4b55-a870-4dd1802a2a34',
          request: {
            command: 'git log --oneline v0.9.0..HEAD | head -n 50',
            commandArgv: ['/usr/bin/dash', '-c', 'git log --oneline v0.9.0..HEAD | head -n 50'],
            cwd: '/home/ana/projects/harbour',
            env: {},
            sessionKey: 'agent:main:subagent:1f22e933-0a9a-46e8-9050-4e0ebe6369f5',
            runId: 'run-notes',
            ancestors: ['run-main'],
            digest: 'b5cadba31aef69a51fd04795a15ea1c8761069020583710793560455e6dc2c16',
          },
          createdAtMs: now - 30_000,
          expiresAtMs: now + 29 * MINUTE,
        },
      ],
    },
    devices: device,
    blocked: [
      {
        id: '7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730',
        name: 'old tablet',
        deviceId: '7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730',
        executable: null,
        script: null,
        since: now - 20 * DAY,
      },
    ],
    tokens: {
      sharedToken: true,
      tokens: [
        {
          id: 'tok-1',
          name: 'editor plugin',
          level: 'write',
          pairing: false,
          scopes: ['operator.read', 'operator.write'],
          createdAtMs: now - 6 * DAY,
          lastUsedAtMs: now - 2 * HOUR,
        },
      ],
      programs: [
        {
          id: 'prog-1',
          executable: '/usr/bin/python3.11',
          script: '/home/ana/bin/nightly-report.py',
          uid: 1000,
          scopes: ['operator.read'],
          clientId: 'gateway-client',
          lasting: true,
          approvedAtMs: now - 9 * DAY,
          lastSeenAtMs: now - 9 * HOUR,
        },
      ],
    },
    audit: [
      audit(now - 50_000, 'warn', 'pairing.requested', 'openclaw on desk-2', 'device pairing requested'),
      audit(
        now - 26 * MINUTE,
        'info',
        'command.allowed',
        'npm test',
        'command.allowed id=77 command=npm test',
      ),
      audit(
        now - 3 * HOUR,
        'info',
        'pairing.approved',
        'Pixel 11',
        'device pairing approved scopes=read,write',
      ),
      audit(
        now - 4 * HOUR,
        'alarm',
        'tool.refused',
        'curl http://127.0.0.1:18790',
        'a tool tried to connect',
      ),
      audit(now - DAY, 'info', 'pairing.rejected', 'unknown tablet', 'device pairing rejected'),
    ],
    models: [
      model('ollama', 'qwen3:14b', 'qwen3:14b', 40_960, ['default']),
      model('ollama', 'llama3.3:70b', 'llama3.3:70b', 131_072, []),
      model('lmstudio', 'mistral-small-24b', 'mistral-small-24b', 32_768, []),
      model('offline', 'demo', 'Offline demo', null, []),
    ],
    sessions: sessions(now),
    transcripts: transcripts(now),
  };
}

function fresh(world: World, now: number): World {
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
  const model =
    'Start Ollama, LM Studio or llama.cpp on this computer, or add a key for a model server with the button below.';
  world.checks = [
    check('gateway', 'ok', 'The gateway listens on ws://127.0.0.1:18790.'),
    check('store', 'ok', 'The store is new.'),
    check('keyring', 'warn', 'There is no working system keyring.', keyring),
    check(
      'model',
      'warn',
      'No model is connected: answers come from the built-in demo, which has no intelligence.',
      model,
    ),
  ];
  world.waiting = { requests: [], commands: [] };
  world.devices = world.devices.filter((device) => device.builtIn);
  world.blocked = [];
  world.tokens = { sharedToken: true, tokens: [], programs: [] };
  world.audit = [audit(now - 40_000, 'info', 'own-client.admitted', 'own client', 'auto-approved built-in')];
  world.models = [offlineDefault()];
  world.sessions = [];
  world.transcripts = new Map();
  return world;
}

function busy(world: World, now: number): World {
  for (let at = 0; at < 24; at += 1) {
    const key = `agent:main:subagent:busy-${at}`;
    world.sessions.push({
      key,
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
    });
  }
  return world;
}

function hostile(world: World, now: number): World {
  const name = (at: number) => HOSTILE[at % HOSTILE.length] ?? '';
  world.waiting.requests = HOSTILE.map((text, at) => ({
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
  }));
  for (const command of world.waiting.commands) command.request.command = HOSTILE.join('\n');
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

function long(world: World, now: number): World {
  const messages: TranscriptMessage[] = [];
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

function sessions(now: number): SessionRow[] {
  const row = (key: string, more: Partial<SessionRow>): SessionRow => ({
    key,
    updatedAt: now,
    spawnDepth: 0,
    modelProvider: 'ollama',
    model: 'qwen3:14b',
    ...more,
  });
  return [
    row(MAIN, {
      updatedAt: now - 30_000,
      startedAt: now - 2 * MINUTE,
      status: 'running',
      lastRunId: 'run-main',
      totalTokens: 18_420,
      lastMessagePreview: 'Write the release notes for Harbour 1.0',
    }),
    row('agent:main:subagent:1f22e933-0a9a-46e8-9050-4e0ebe6369f5', {
      label: 'release notes',
      parentSessionKey: MAIN,
      spawnDepth: 1,
      updatedAt: now - 31_000,
      startedAt: now - 95_000,
      status: 'running',
      lastRunId: 'run-notes',
      totalTokens: 6210,
    }),
    row('agent:main:subagent:25670ca0-7d12-4981-9379-d81ab80c6a3c', {
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
    row('agent:main:subagent:77aa70ca-0000-4981-9379-d81ab80c6a3c', {
      label: 'dead links in the handbook',
      parentSessionKey: 'agent:main:subagent:25670ca0-7d12-4981-9379-d81ab80c6a3c',
      spawnDepth: 2,
      updatedAt: now - 70_000,
      startedAt: now - 90_000,
      endedAt: now - 70_000,
      runtimeMs: 20_000,
      status: 'failed',
      totalTokens: 811,
    }),
    row('agent:main:chat-7b1d', {
      createdAt: now - 5 * HOUR - 20_000,
      updatedAt: now - 5 * HOUR,
      startedAt: now - 5 * HOUR - 20_000,
      endedAt: now - 5 * HOUR,
      runtimeMs: 20_000,
      status: 'done',
      totalTokens: 1330,
      lastMessagePreview: 'How do I read a tide table?',
    }),
    row('agent:main:chat-90aa', {
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

function transcripts(now: number): Map<string, TranscriptMessage[]> {
  const tool = (seq: number, id: string, name: string, text: string, isError = false): TranscriptMessage => ({
    role: 'toolResult',
    content: [{ type: 'text', text }],
    toolCallId: id,
    toolName: name,
    isError,
    timestamp: now - 100_000,
    __openclaw: { id: `m${seq}`, seq, runId: 'run-main' },
  });
  const call = (id: string, name: string, input: unknown) => ({
    type: 'toolCall',
    id,
    name,
    arguments: input,
  });
  const child = 'agent:main:subagent:25670ca0-7d12-4981-9379-d81ab80c6a3c';
  const main: TranscriptMessage[] = [
    said(
      1,
      'user',
      'Write the release notes for Harbour 1.0. Check that all links in them work.',
      now - 3 * MINUTE,
    ),
    {
      ...said(
        2,
        'assistant',
        'I look at what changed first, and let two subagents work on it.',
        now - 2 * MINUTE,
      ),
      content: [
        { type: 'text', text: 'I look at what changed first, and let two subagents work on it.' },
        call('c1', 'read', { path: 'CHANGELOG.md' }),
        call('c2', 'read', { path: 'docs/missing.md' }),
        call('c3', 'sessions_spawn', { label: 'check the links', task: 'Check every link in CHANGELOG.md.' }),
      ],
      __openclaw: { id: 'm2', seq: 2, runId: 'run-main' },
    },
    tool(
      3,
      'c1',
      'read',
      '# Changelog\n\n## 1.0\n\n- Boats can be moored from the phone.\n- Faster tide tables.',
    ),
    tool(4, 'c2', 'read', 'There is no file docs/missing.md in the workspace.', true),
    tool(5, 'c3', 'sessions_spawn', `{"childSessionKey":"${child}","status":"accepted","mode":"run"}`),
    {
      role: 'system',
      content: [
        {
          type: 'text',
          text:
            'Your subagent "check the links" has ended.\nstatus: ok\n<untrusted-data id="1881411015e13b45" ' +
            'from="subagent">\nAll **14 links** work; one redirects:\n\n- `handbook/start` now leads to ' +
            '`handbook/begin`.\n</untrusted-data id="1881411015e13b45">',
        },
      ],
      source: { kind: 'subagent', label: 'check the links', sessionKey: child, status: 'ok' },
      timestamp: now - 60_000,
      __openclaw: { id: 'm6', seq: 6, runId: 'run-main' },
    },
    said(
      7,
      'assistant',
      '## Harbour 1.0\n\nBoats can now be **moored from the phone**, and tide tables open much faster.\n\n' +
        '| What | Before | Now |\n| --- | --- | --- |\n| Open a tide table | 1.8 s | 0.2 s |\n| Moor a boat | at the ' +
        'desk | anywhere |\n\n1. Update the app.\n2. Open *Boats*.\n3. Choose **Moor**.\n\n```sh\nharbour update ' +
        '--channel stable\n```\n\nMore is in the [handbook](https://harbour.example/handbook/begin).',
      now - 40_000,
    ),
  ];
  const tides: TranscriptMessage[] = [
    said(1, 'user', 'How do I read a tide table?', now - 5 * HOUR),
    said(
      2,
      'assistant',
      'A tide table lists **high and low water** with their times and heights.\n\n> Heights count from chart datum.\n\n' +
        'Find the day, then the two highs and two lows around your trip.',
      now - 5 * HOUR,
    ),
  ];
  return new Map([
    [MAIN, main],
    ['agent:main:chat-7b1d', tides],
    [
      child,
      [
        said(1, 'user', 'Check every link in CHANGELOG.md.', now),
        said(2, 'assistant', 'All 14 links work.', now),
      ],
    ],
  ]);
}

export function said(seq: number, role: 'user' | 'assistant', text: string, at: number): TranscriptMessage {
  return {
    role,
    content: [{ type: 'text', text }],
    timestamp: at,
    ...(role === 'assistant' ? { provider: 'ollama', model: 'qwen3:14b', stopReason: 'stop' } : {}),
    __openclaw: { id: `m${seq}`, seq, runId: `run-${seq}` },
  };
}

function check(name: string, level: Check['level'], sentence: string, todo: string | null = null): Check {
  return { name, level, ok: level !== 'fail', sentence, todo };
}

function audit(
  at: number,
  weight: AuditEvent['weight'],
  kind: string,
  subject: string,
  line: string,
): AuditEvent {
  return { at, weight, kind, subject, line };
}

function model(
  provider: string,
  id: string,
  name: string,
  contextWindow: number | null,
  tags: string[],
): ModelEntry {
  return { provider, id, name, contextWindow, available: true, tags };
}

function offlineDefault(): ModelEntry {
  return model('offline', 'demo', 'Offline demo', null, ['default']);
}
