// Two coordinators on two machines share a state directory: when the one that serves is killed, the other goes on.
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { Collector } from '../helpers/collect.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { processesWith } from '../helpers/processes.ts';
import { missing } from '../helpers/tools.ts';

/** Gives the program a machine's name of its own, as a container has one. */
const elsewhere = ['unshare', '--uts', 'sh', '-c', 'hostname elsewhere; exec "$@"', 'sh'];
const canBeElsewhere =
  spawnSync('unshare', ['--uts', 'hostname', 'elsewhere']).status === 0 ||
  missing('no program can be given a host name of its own');

const toml = `
  [pools.here]
  kind = "local"
  isolation = "none"
  host = "host-local"
  maximum = 2
`;

it.runIf(canBeElsewhere)('a session continues with the coordinator that takes over', async () => {
  const active = new CoordinatorProcess({ toml });
  const { directory } = active;
  const standby = new CoordinatorProcess({ toml, directory, socket: 'other', launcher: elsewhere });
  await active.start();
  const { name } = await active.client().requestBuildlet('local');
  const first = active.client().namedBuildlet(name);
  await first.exec('sh', { systemLevel: true, args: ['-c', 'echo kept >mark'] });
  await first.disconnect();
  standby.launch();
  await standby.event('waiting');
  // It serves nobody while the other does.
  await expect(standby.client().remoteBuildlets()).rejects.toMatchObject({ code: 'ERR_CONNECT' });
  await active.kill();
  await standby.event('pool-open');
  const client = standby.client();
  expect((await client.remoteBuildlets()).map((one) => one.name)).toEqual([name]);
  const buildlet = client.namedBuildlet(name);
  const output = new Collector();
  await buildlet.exec('cat', { systemLevel: true, args: ['mark'], output });
  expect(output.text).toBe('kept\n');
  await buildlet.halt();
  await buildlet.disconnect();
  await expect.poll(() => processesWith(directory).length, { timeout: 60_000 }).toBe(0);
});
