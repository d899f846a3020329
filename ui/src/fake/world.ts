/** Made-up but realistic state of a gateway, for browser tests and for `npm run dev`. */

import type {
  AuditEntry,
  BlockedEntry,
  ChatMessage,
  DoctorCheck,
  ModelListEntry,
  PermissionsListResult,
  PairedDevice,
  SessionEntry,
  SetAsideFileDetails,
  TidegateStatusResult,
  TokenListResult,
  WaitingResult,
} from '../generated/protocol';

import { blocks, devices, tokens } from './devices';
import { busy, fresh, hostile, long } from './scenarios';
import { permissions } from './permissions';
import { sessions } from './sessions';
import { audit, checks, models, status } from './status';
import { transcripts } from './transcripts';
import { setAside, waiting } from './waiting';

export type Scenario = 'usual' | 'fresh' | 'busy' | 'hostile' | 'long' | 'failing' | 'starting';

export interface World {
  scenario: Scenario;
  status: TidegateStatusResult;
  checks: DoctorCheck[];
  waiting: WaitingResult;
  files: SetAsideFileDetails[];
  permissions: PermissionsListResult;
  devices: PairedDevice[];
  blocked: BlockedEntry[];
  tokens: TokenListResult;
  audit: AuditEntry[];
  models: ModelListEntry[];
  sessions: SessionEntry[];
  transcripts: Map<string, ChatMessage[]>;
}

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
  return {
    scenario: 'usual',
    status: status(now),
    checks: checks(),
    waiting: waiting(now),
    files: setAside(now),
    permissions: permissions(now),
    devices: devices(now),
    blocked: blocks(now),
    tokens: tokens(now),
    audit: audit(now),
    models: models(),
    sessions: sessions(now),
    transcripts: transcripts(now),
  };
}
