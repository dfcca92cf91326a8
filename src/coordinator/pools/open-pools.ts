// The only place that maps a pool's configuration to its code.
import { join } from 'node:path';
import type { BackendConfig } from '../../backends/config.ts';
import type { UserIds } from '../../backends/local/own-users.ts';
import { openBackend } from '../../backends/open.ts';
import type { LocalMachine } from '../../builders.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import type { Log } from '../log.ts';
import type { PoolConfig } from '../pool-config.ts';
import { BackendPool, hostOf } from './backend-pool.ts';
import type { KeptSetups } from './kept-setups.ts';
import type { Scaling } from './machine-allocator.ts';
import type { Pool } from './pool.ts';
import { prepared } from './prepared-pool.ts';
import type { ReverseGate } from './reverse-gate.ts';

export interface PoolPlace {
  readonly stateDirectory: string;
  /** Whose this coordinator's machines are where others have some too. */
  readonly owner: string;
  /** Which coordinators share their sessions with it, where the platform keeps them. */
  readonly team: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly keptSetups: KeptSetups;
  readonly log: Log;
  /** Whether an admin has taken the machine out of use. */
  readonly isDrained: (machine: string) => boolean;
  /** How often a machine is probed, in ms. */
  readonly probeIntervalMs: number;
  /** How long a machine in use may be away, in ms. */
  readonly graceMs: number;
  /** Where the machines of reverse pools connect. */
  readonly gate: ReverseGate;
}

export interface OpenedPool {
  readonly pool: Pool;
  readonly scaling: Scaling;
}

export async function openPools(
  pools: readonly PoolConfig[],
  place: PoolPlace,
): Promise<OpenedPool[]> {
  return await Promise.all(
    pools.map(async (section) => ({
      pool: prepared(await openPool(section, place), section, place.keptSetups),
      scaling: section,
    })),
  );
}

async function openPool(config: PoolConfig, place: PoolPlace): Promise<Pool> {
  const { environment, owner, team } = place;
  switch (config.kind) {
    case 'local': {
      const root = join(place.stateDirectory, 'pools', config.name);
      await requireConfinement(config, environment);
      const settings = { kind: config.kind, name: config.name, root, users: config.users };
      const backend = await openBackend({ ...settings, environment: inherited(environment) });
      const own = { ...config, host: hostOf(config), backend, owner, team };
      return new BackendPool({ ...own, place: config.kind });
    }
    case 'static': {
      const { StaticPool } = await import('./static-pool.ts');
      return new StaticPool({
        ...{ name: config.name, hostType: config.host.name },
        ...{ labels: config.labels, machines: config.machines },
        ...{ resetCommand: config.resetCommand, log: place.log },
        ...{ probeIntervalMs: place.probeIntervalMs, isDrained: place.isDrained },
      });
    }
    case 'backend': {
      const { backend: found, ...own } = config;
      if (found.kind === 'local' || found.kind === 'coordinator') {
        throw new GomoteError('ERR_CONFIG', `a backend of kind ${found.kind} cannot be a pool`);
      }
      const backend = await openBackend({ ...found, environment });
      const { kind } = found;
      return new BackendPool({ ...own, backend, kind, owner, team, place: placeOf(found) });
    }
    case 'reverse': {
      const { ReversePool } = await import('./reverse-pool.ts');
      const pool = new ReversePool({
        ...{ name: config.name, hostType: config.host.name, labels: config.labels },
        ...{ believed: config.believed, resetCommand: config.resetCommand },
        ...{ log: place.log, graceMs: place.graceMs, isDrained: place.isDrained },
      });
      place.gate.add({ pool, keyFile: config.keyFile });
      return pool;
    }
  }
}

/** What tells the engine, project or cluster from others. */
function placeOf(backend: BackendConfig): string {
  const { kind } = backend;
  switch (kind) {
    case 'docker':
      return JSON.stringify([kind, backend.host, backend.context]);
    case 'gce':
      return JSON.stringify([kind, backend.project]);
    case 'kubernetes':
      return JSON.stringify([kind, backend.kubeconfig, backend.context, backend.namespace]);
    default:
      return kind;
  }
}

/** Throws ERR_CONFIG where commands of a local pool would not be confined as its configuration says. */
export async function requireConfinement(
  { name, machine, users }: Extract<PoolConfig, { kind: 'local' }>,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  if (users !== undefined) await requireUsers(name, users, machine);
  if (machine.isolation === 'bubblewrap') await requireSandbox(name, environment, users?.first);
}

async function requireUsers(pool: string, users: UserIds, machine: LocalMachine): Promise<void> {
  const { requireOwnUsers } = await import('../../backends/local/own-users.ts');
  try {
    await requireOwnUsers(users, machine);
  } catch (error) {
    if (!isGomoteError(error, 'ERR_CONFIG')) throw error;
    const { message, hint } = error;
    throw new GomoteError('ERR_CONFIG', `[pools.${pool}]: ${message}`, { hint, cause: error });
  }
}

/** Nobody is unconfined who has not agreed to that. */
async function requireSandbox(
  pool: string,
  environment: NodeJS.ProcessEnv,
  uid: number | undefined,
): Promise<void> {
  const { whyNoSandbox } = await import('../../buildlet/sandbox/probe.ts');
  const why = await whyNoSandbox(environment, uid);
  if (why === undefined) return;
  throw new GomoteError('ERR_CONFIG', `[pools.${pool}]: commands cannot be confined: ${why}`, {
    hint: `install bubblewrap and allow user namespaces; or write isolation = "none" there, which lets every user's commands read and change what the coordinator can: its keys, its state, other users' files`,
  });
}

/** The part of the coordinator's environment that local machines get: nothing that may be secret. */
function inherited(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'TZ'];
  return Object.fromEntries(names.map((name) => [name, environment[name]]));
}
