// Machines of a coordinator that are made ready before they are lent.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startBuildlet } from '../helpers/buildlet.ts';
import { startCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';

/** One with a second pool, of one machine, whose host type has a setup. */
async function withSetup(script: string, { warm = 0, more = '' } = {}) {
  const machine = await startBuildlet();
  const coordinator = await startCoordinator({
    machines: 0,
    addresses: [machine.address],
    sections: [
      '[hosts.prepared]',
      'setup = "setup.sh"',
      'setup-files = ["deps"]',
      '[builders.prepared]',
      'host = "prepared"',
      more,
      '[pools.prepared]',
      'kind = "static"',
      'host = "prepared"',
      `warm = ${warm}`,
      `machines = [{ address = "${(await startBuildlet()).address}" }]`,
    ].join('\n'),
    prepare: (directory) => {
      writeFileSync(join(directory, 'setup.sh'), script);
      writeFileSync(join(directory, 'deps'), 'dependencies\n');
    },
  });
  return coordinator;
}

describe('a pool whose host type has a setup', () => {
  it('lends machines on which it has run, with its files', async () => {
    const coordinator = await withSetup('cp deps made');
    const made = await coordinator.client('me').requestAll('prepared', 1);
    const client = coordinator.client('me').namedBuildlet(made?.buildlets[0]?.name ?? '');
    const names: string[] = [];
    for await (const { name } of client.listDir('')) names.push(name);
    expect(names.sort()).toEqual(['deps', 'made']);
  });

  it('reports how a failed setup ended, and lends nothing', async () => {
    const coordinator = await withSetup('echo bad luck; exit 3');
    const made = coordinator.client('me').requestAll('prepared', 1);
    await expect(made).rejects.toMatchObject({
      message: expect.stringMatching(/setup .*setup\.sh failed: exit status 3: bad luck/),
    });
    await expect(made).rejects.toMatchObject({ code: 'ERR_SETUP' });
  });

  it('tries a machine that is made ahead again later, and says why', async () => {
    const coordinator = await withSetup('exit 3', { warm: 1 });
    await until(() => JSON.stringify(coordinator.log).includes('exit status 3'));
    expect(JSON.stringify(coordinator.log)).toContain('ahead');
  });
});

it.each([
  ['a builder type', 'setup = "setup.sh"', /builders\.prepared\.setup.*it is the host type/],
  ['files without a script', 'setup-files = ["deps"]', /there is no setup that needs them/],
])('a configuration with the setup of %s is refused', async (_what, more, said) => {
  await expect(withSetup('true', { more })).rejects.toThrow(said);
});
