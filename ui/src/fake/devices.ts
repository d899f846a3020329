/** Devices, programs and tokens that were let in, and what is blocked. */

import type { BlockedEntry, PairedDevice, TokenListResult } from '../generated/protocol';

import { DAY, HOUR, MINUTE } from './durations';

function paired(device: Pick<PairedDevice, 'deviceId' | 'scopes'> & Partial<PairedDevice>): PairedDevice {
  return {
    publicKey: 'A'.repeat(43),
    platform: 'linux',
    clientId: 'gateway-client',
    clientMode: 'backend',
    role: 'operator',
    roles: ['operator'],
    connected: false,
    ...device,
  };
}

export function devices(now: number): PairedDevice[] {
  return [
    paired({
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
    }),
    paired({
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
    }),
    paired({
      deviceId: '8bf3588ecc93fe2bad7e4fa8ea4da8033c92e5bab370b9cba70646775b67a02d',
      displayName: "Tidegate's own subagent client",
      builtIn: true,
      platform: 'linux',
      scopes: ['operator.admin'],
      lastSeenAtMs: now - 5 * MINUTE,
      connected: true,
    }),
  ];
}

/** A block of a device by its id, or of a program by its file. */
export function blockOf(subject: string, name: string, since: number): BlockedEntry {
  const isDevice = /^[0-9a-f]{64}$/.test(subject);
  return {
    id: isDevice ? subject.slice(0, 16) : '0f3c9e1d7a42b586',
    blocked: true,
    name,
    deviceId: isDevice ? subject : null,
    executable: isDevice ? null : '/usr/bin/python3.11',
    script: isDevice ? null : subject,
    since,
  };
}

export function blocks(now: number): BlockedEntry[] {
  return [
    blockOf('7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730', 'old tablet', now - 20 * DAY),
  ];
}

export function tokens(now: number): TokenListResult {
  return {
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
  };
}
