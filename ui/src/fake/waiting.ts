/** Requests and commands that wait for the person. */

import type {
  ApprovalFile,
  PendingDevice,
  SetAsideFileDetails,
  WaitingApproval,
  WaitingResult,
} from '../generated/protocol';

import { DAY, MINUTE } from './durations';

/** A file outside the workspace that an agent asks for. */
export function fileAsked(now: number, file: ApprovalFile): WaitingApproval {
  const texts = [file.content, file.oldText, file.newText].filter((text) => typeof text === 'string');
  return {
    id: 'c0ffee00-fd38-4b55-a870-4dd1802a2a34',
    request: {
      command: [`${file.action} ${file.path}`, ...texts].join('\n'),
      commandArgv: [file.action, file.path, ...texts],
      cwd: file.path.replace(/\/[^/]*$/, '') || '/',
      env: {},
      file,
      host: 'gateway',
      security: 'allowlist',
      ask: 'always',
      agentId: 'main',
      sessionKey: 'agent:main:main',
      runId: 'run-main',
      ancestors: [],
      digest: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    },
    createdAtMs: now - 5000,
    expiresAtMs: now + 29 * MINUTE,
  };
}

/** A waiting request. */
export function pending(
  request: Pick<PendingDevice, 'requestId' | 'deviceId' | 'scopes' | 'ts'> & Partial<PendingDevice>,
): PendingDevice {
  return {
    publicKey: '',
    platform: '',
    clientId: '',
    clientMode: '',
    role: 'operator',
    roles: ['operator'],
    silent: false,
    isRepair: false,
    ...request,
  };
}

export function waiting(now: number): WaitingResult {
  return {
    requests: [
      pending({
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
      }),
    ],
    commands: [
      {
        id: '493bb3df-fd38-4b55-a870-4dd1802a2a34',
        request: {
          command: 'git log --oneline v0.9.0..HEAD | head -n 50',
          commandArgv: ['/usr/bin/dash', '-c', 'git log --oneline v0.9.0..HEAD | head -n 50'],
          cwd: '/home/ana/projects/harbour',
          env: {},
          host: 'gateway',
          security: 'full',
          ask: 'always',
          agentId: 'main',
          sessionKey: 'agent:main:subagent:1f22e933-0a9a-46e8-9050-4e0ebe6369f5',
          runId: 'run-notes',
          ancestors: ['run-main'],
          digest: 'b5cadba31aef69a51fd04795a15ea1c8761069020583710793560455e6dc2c16',
          confinement: {
            class: 'contained',
            needs: ['write:/home/ana/notes'],
            reason: 'the release notes are kept there',
            pty: false,
            timeoutSeconds: 1800,
          },
          effects: [
            'It runs in a sandbox: it can change files in the workspace, and beyond that:',
            'It can change files below /home/ana/notes.',
          ],
        },
        offers: [
          {
            offer: { kind: 'task' },
            sentence:
              'Run this, and let this task run contained commands in /home/ana/projects/harbour without asking, also with write:/home/ana/notes, until it ends.',
          },
          {
            offer: { kind: 'needs' },
            sentence:
              'Run this, and let agents run contained commands in /home/ana/projects/harbour without asking, also with write:/home/ana/notes, for 30 days.',
          },
        ],
        createdAtMs: now - 30_000,
        expiresAtMs: now + 29 * MINUTE,
      },
    ],
    settings: [],
  };
}

/** A file that a command planted, and that was set aside. */
export function setAside(now: number): SetAsideFileDetails[] {
  return [
    {
      file: {
        id: '70d530917ef3318c',
        path: 'vendor/theme/.git/hooks/post-checkout',
        workspace: '/home/ada/projects/site',
        action: 'set-aside',
        kind: 'file',
        reason: 'vendor/theme/.git/hooks/post-checkout would run when git is used here',
        effect:
          'As soon as a shell, git or an editor looks at the folder, it can run commands as you, outside the sandbox.',
        canKeep: true,
        size: 44,
        executable: true,
        target: null,
        commands: [
          {
            sessionKey: 'agent:main:main',
            runId: 'run-main',
            toolCallId: 'c4',
            command: 'npm run theme',
          },
        ],
        setAsideAtMs: now - 4 * MINUTE,
        expiresAtMs: now + 30 * DAY - 4 * MINUTE,
      },
      digest: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      content: '#!/bin/sh\nnpm run build --silent\ntouch .stamp\n',
      binary: false,
      cut: false,
    },
  ];
}
