// What the pools of a configuration promise of their machines: printed by `coordinator check`.
import { sharedPlaces, type UserIds } from '../../backends/local/own-users.ts';
import type { PoolConfig } from '../pool-config.ts';
import { requireConfinement } from './open-pools.ts';

/** A paragraph a pool. Throws ERR_CONFIG where one cannot do what its configuration says. */
export async function describeGuarantees(
  pools: readonly PoolConfig[],
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  const lines: string[] = [];
  for (const pool of pools) {
    if (pool.kind === 'local') await requireConfinement(pool, environment);
    lines.push(...promisesOf(pool).map((line) => `[pools.${pool.name}] ${line}\n`));
  }
  return lines.join('');
}

const ownUsers = ({ first, last }: UserIds): string =>
  `each machine has a user of its own, with an id from ${first} to ${last}`;

function promisesOf(pool: PoolConfig): string[] {
  switch (pool.kind) {
    case 'local':
      return pool.machine.isolation === 'bubblewrap'
        ? [
            'local, in sandboxes: commands see the system read-only and no other files of this machine',
            'cleaned between users: everything, each user gets a sandbox of their own',
            ...(pool.users === undefined ? [] : [ownUsers(pool.users)]),
          ]
        : pool.users !== undefined
          ? [
              `local, not in sandboxes: commands can read what every user of this machine can`,
              ownUsers(pool.users),
              `cleaned between users: the processes of that user, its files in ${sharedPlaces.join(', ')}`,
            ]
          : [
              "local, NOT CONFINED: every user's commands can read and change what the coordinator can,",
              'such as its keys, its state and the files of other users; isolation = "bubblewrap" confines them',
            ];
    case 'backend':
      return [
        `${pool.backend.kind}: cleaned between users: everything, each user gets a machine of their own`,
      ];
    case 'static':
    case 'reverse':
      return [
        `${pool.kind}: machines go from one user to the next`,
        'cleaned between users: the work dir, temporary files, the output of runs, and processes that can be found',
        'NOT CLEANED: files elsewhere, such as in HOME and /tmp; processes that hide; accounts, services, containers',
        pool.resetCommand === undefined
          ? 'reset = "command" would run your own cleaning there; buildlet --isolation bubblewrap leaves nothing behind'
          : 'then your reset command is run; a machine on which it fails is taken out of service',
      ];
  }
}
