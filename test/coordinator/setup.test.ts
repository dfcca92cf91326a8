// Machines of a coordinator that are made ready before they are lent.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasBubblewrap } from '../helpers/bubblewrap.ts';
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

  it('tries a machine that is made ahead again later, and reports the reason', async () => {
    const coordinator = await withSetup('exit 3', { warm: 1 });
    await until(() => JSON.stringify(coordinator.log).includes('exit status 3'));
    expect(JSON.stringify(coordinator.log)).toContain('ahead');
  });
});

describe('the result of a setup of a host type', () => {
  const sandboxes = '[pools.prepared]\nkind = "local"\nhost = "prepared"\nmaximum = 8';
  const local = `${sandboxes}\nisolation = "none"`;

  /** Its setup notes each time that it runs, and writes a file. */
  async function keeping({ host = '', pool = local, script = 'echo content >file' } = {}) {
    const coordinator = await startCoordinator({
      sections: `[hosts.prepared]\nsetup = "setup.sh"\n${host}\n[builders.prepared]\nhost = "prepared"\n${pool}`,
      prepare: (directory) => {
        const count = join(directory, 'count');
        writeFileSync(join(directory, 'setup.sh'), `echo x >>'${count}' || true\n${script}\n`);
      },
    });
    const { directory } = coordinator;
    const count = () => readFileSync(join(directory, 'count'), 'utf8').length / 2;
    const results = () => {
      const path = join(directory, 'state/setups');
      return existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : [];
    };
    const create = async () => {
      const made = await coordinator.client('me').requestAll('prepared', 1);
      const client = coordinator.client('me').namedBuildlet(made?.buildlets[0]?.name ?? '');
      const names: string[] = [];
      for await (const { name } of client.listDir('')) names.push(name);
      await client.halt();
      return names;
    };
    return { coordinator, directory, create, count, results };
  }

  it('is the start of the next machine, also after a restart, until the setup changes', async () => {
    const { coordinator, directory, create, count, results } = await keeping();
    expect(await create()).toEqual(['file']);
    await coordinator.restart();
    expect(await create()).toEqual(['file']);
    expect([count(), results().length]).toEqual([1, 1]);
    const path = join(directory, 'setup.sh');
    writeFileSync(path, `${readFileSync(path, 'utf8')}echo >other\n`);
    expect(await create()).toEqual(['file', 'other']);
    expect(await create()).toEqual(['file', 'other']);
    expect([count(), results().length]).toEqual([2, 2]);
  });

  it('that is damaged fails one machine, and the next one runs the script', async () => {
    const { create, count, results } = await keeping();
    await create();
    truncateSync(join(results()[0] ?? '', 'files.tgz'), 10);
    await expect(create()).rejects.toMatchObject({ code: 'ERR_ARCHIVE' });
    expect(await create()).toEqual(['file']);
    expect(await create()).toEqual(['file']);
    expect(count()).toBe(2);
  });

  it.each([
    ['no record', (path: string) => rmSync(path)],
    ['garbage for a record', (path: string) => writeFileSync(path, '{')],
    [
      'a directory for a record',
      (path: string) => {
        rmSync(path);
        mkdirSync(path);
      },
    ],
  ] as const)('that has %s is made again', async (_what, spoil) => {
    const { create, count, results } = await keeping();
    await create();
    spoil(join(results()[0] ?? '', 'snapshot.json'));
    expect(await create()).toEqual(['file']);
    expect(await create()).toEqual(['file']);
    expect(count()).toBe(2);
  });

  it('that cannot be kept is left out, which is logged', async () => {
    const { coordinator, directory, create, count } = await keeping();
    writeFileSync(join(directory, 'state/setups'), 'in the way');
    expect(await create()).toEqual(['file']);
    expect(await create()).toEqual(['file']);
    expect(count()).toBe(2);
    const line = coordinator.log.find(({ what }) => /is not kept/.test(String(what)));
    expect(line).toMatchObject({ event: 'trouble' });
  });

  it.each([
    ['where that is said', 'keep-setup = false', local],
    [
      'of machines with caches of their users',
      'keep-setup = true\ncaches = [{ name = "c", path = "x" }]',
      local,
    ],
  ])('is not kept %s', async (_what, host, pool) => {
    const { create, count, results } = await keeping({ host, pool });
    await create();
    await create();
    expect([count(), results()]).toEqual([2, []]);
  });

  it.skipIf(!hasBubblewrap).each([
    ['', 0],
    ['keep-setup = true', 1],
  ])('of a sandbox, whose HOME is lost, is kept only on request: "%s"', async (host, kept) => {
    const { create, results } = await keeping({
      host,
      pool: `${sandboxes}\nisolation = "bubblewrap"`,
    });
    expect(await create()).toEqual(['file']);
    expect(results()).toHaveLength(kept);
    expect(await create()).toEqual(['file']);
  });

  it.each([
    [
      'of machines that stay',
      'keep-setup = true',
      '[pools.prepared]\nkind = "static"\nhost = "prepared"\nmachines = [{ address = "127.0.0.1:1" }]',
      /pools\.prepared\.host.*its setup is kept, which a pool of kind static cannot/,
    ],
    [
      'without a setup',
      '[hosts.other]\nkeep-setup = true',
      local,
      /hosts\.other\.keep-setup.*there is no setup/,
    ],
  ])('cannot be kept: %s', async (_what, host, pool, said) => {
    await expect(keeping({ host, pool })).rejects.toThrow(said);
  });
});

it.each([
  ['a builder type', 'setup = "setup.sh"', /builders\.prepared\.setup.*it is the host type/],
  ['files without a script', 'setup-files = ["deps"]', /there is no setup that needs them/],
])('a configuration with the setup of %s is refused', async (_what, more, said) => {
  await expect(withSetup('true', { more })).rejects.toThrow(said);
});
