/** The gateway's own state: in numbers, as checks, its log and its models. */

import type {
  AuditEntry,
  DoctorCheck,
  ModelListEntry,
  SandboxLayer,
  TidegateStatusResult,
} from '../generated/protocol';

import { DAY, HOUR, MINUTE } from './durations';
import { MAIN, NOTES } from './sessions';

export function status(now: number): TidegateStatusResult {
  return {
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
      waitingSettings: 0,
      unasked: 37,
      askEverything: false,
    },
    secrets: { state: 'available', sentence: 'Secrets are kept in the system keyring.' },
    store: { state: 'ok', sentence: 'The store is in order.' },
    models: { default: 'ollama/qwen3:14b', offline: false },
    sandbox: {
      contained: true,
      sentence: 'Commands of agents run in a sandbox.',
      todo: null,
      layers: [
        layer('namespaces', true),
        layer('mounts', true),
        layer('system call filter', true),
        layer('Landlock file rules', true),
        layer('Landlock scopes', false),
        layer('inotify limit', false),
      ],
      toolchains: ['/home/ana/.cargo/bin', '/home/ana/.nvm/versions'],
    },
    paused: false,
    degraded: [],
    setAsideFiles: 1,
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
        sessionKey: NOTES,
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
  };
}

function layer(name: string, required: boolean): SandboxLayer {
  return { name, required, holds: true, reason: null };
}

export function checks(): DoctorCheck[] {
  return [
    check('gateway', 'ok', 'The gateway listens on ws://127.0.0.1:18790.'),
    check('subagent client', 'ok', "Tidegate's own client is admitted without a prompt."),
    check('store', 'ok', 'The store is in order.'),
    check('keyring', 'ok', 'Secrets are kept in the system keyring.'),
    check('configuration', 'ok', 'The configuration is valid.'),
    check('model', 'ok', 'Answers come from ollama/qwen3:14b.'),
  ];
}

export function audit(now: number): AuditEntry[] {
  return [
    logged(now - 50_000, 'pairing.requested', 'warn', 'Access requested', 'openclaw on desk-2'),
    logged(now - 26 * MINUTE, 'command.allowed', 'info', 'Command allowed once', 'npm test'),
    logged(now - 3 * HOUR, 'pairing.approved', 'info', 'Access approved', 'Pixel 11'),
    logged(
      now - 4 * HOUR,
      'own-key.elsewhere',
      'alarm',
      "Somebody else used the key of Tidegate's own client: refused",
      'a3f1c09b',
    ),
    logged(now - DAY, 'pairing.rejected', 'info', 'Access rejected', 'unknown tablet'),
    logged(now - DAY, 'own-client.admitted', 'info', "Tidegate's own client connected", 'a3f1c09b'),
  ];
}

export function models(): ModelListEntry[] {
  return [
    model('ollama', 'qwen3:14b', 'qwen3:14b', 40_960, ['default']),
    model('ollama', 'llama3.3:70b', 'llama3.3:70b', 131_072, []),
    model('lmstudio', 'mistral-small-24b', 'mistral-small-24b', 32_768, []),
    model('offline', 'demo', 'Offline demo', null, []),
  ];
}

export function check(
  name: string,
  level: DoctorCheck['level'],
  sentence: string,
  todo: string | null = null,
): DoctorCheck {
  return { name, level, ok: level !== 'fail', sentence, todo };
}

export function logged(
  at: number,
  kind: string,
  severity: AuditEntry['severity'],
  sentence: string,
  subject: string,
): AuditEntry {
  return { at, kind, severity, sentence, subject, line: `${kind} subject=${subject}` };
}

export function model(
  provider: string,
  id: string,
  name: string,
  contextWindow: number | null,
  tags: string[],
): ModelListEntry {
  return { provider, id, name, contextWindow, reasoning: false, available: true, tags };
}
