// What keeps the users of a coordinator apart on machines that are not thrown away, or are its own.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import { loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { openPools, type PoolPlace } from '../../src/coordinator/pools/open-pools.ts';
import { hasBubblewrap } from '../helpers/bubblewrap.ts';
import { Collector } from '../helpers/collect.ts';
import { startCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const localPool = (options: string) =>
  `[hosts.here]\n[builders.here]\nhost = "here"\n[pools.here]\nkind = "local"\nhost = "here"\nmaximum = 1\n${options}`;

async function shell(client: BuildletClient, script: string): Promise<string> {
  const output = new Collector();
  await client.exec('/bin/sh', { systemLevel: true, output, args: ['-c', script] });
  return output.text;
}

describe('a local pool', () => {
  it.skipIf(!hasBubblewrap)(
    'runs commands in a sandbox that shows nothing of the coordinator',
    async () => {
      const { client, directory } = await startCoordinator({ sections: localPool('') });
      const buildlet = await client('me').createBuildlet('here');
      onTestFinished(() => buildlet.halt());
      const { confinement } = await buildlet.status();
      expect(confinement).toMatchObject({ isolation: 'bubblewrap', network: 'host' });
      expect(readdirSync(join(directory, 'state'))).toContain('tls-key.pem');
      const said = await shell(
        buildlet,
        `cat ${directory}/state/tls-key.pem; ls ${directory}/state/sessions; ps ax`,
      );
      expect(said).toMatch(/No such file.*No such file/s);
      expect(said).not.toMatch(/BEGIN|vitest/);
    },
  );

  it('runs commands without a sandbox if its section says so', async () => {
    const { client } = await startCoordinator({ sections: localPool('isolation = "none"') });
    const buildlet = await client('me').createBuildlet('here');
    onTestFinished(() => buildlet.halt());
    expect((await buildlet.status()).confinement?.isolation).toBe('none');
  });

  it.each([
    ['nothing is said', '', ''],
    ['the host type alone says none', '[hosts.here.local]\nisolation = "none"', ''],
    ['it says bubblewrap', '', 'isolation = "bubblewrap"'],
  ])('does not start without bubblewrap where %s', async (_case, host, pool) => {
    const directory = temporaryDirectory();
    const path = join(directory, 'coordinator.toml');
    writeFileSync(path, `state-directory = "state"\n${localPool(pool)}\n${host}`);
    const config = loadCoordinatorConfig(path);
    const place = { stateDirectory: directory, environment: { PATH: directory } };
    await expect(openPools(config.pools, place as unknown as PoolPlace)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: '[pools.here]: commands cannot be confined: bwrap is not installed',
      hint: expect.stringMatching(/isolation = "none".*read and change what the coordinator can/),
    });
  });
});

describe('machines that go from one user to the next', () => {
  it('run the reset command between users, and are not lent while it fails', async () => {
    const lab = temporaryDirectory();
    const broken = join(lab, 'broken');
    const runs = join(lab, 'runs');
    const command = `echo x >> ${runs}; test ! -e ${broken} || { echo the disk is full; exit 3; }`;
    const coordinator = await startCoordinator({
      machines: 1,
      users: { me: {}, root: { role: 'admin' } },
      pool: `reset = '${command}'`,
    });
    const view = (name: string) =>
      coordinator.coordinator.views.of({ name, isAdmin: name === 'root' }).pools[0];
    const mine = await coordinator.client('me').createBuildlet('linux');
    expect(existsSync(runs)).toBe(true);
    writeFileSync(broken, '');
    const destroyed = mine.halt();
    await until(() => view('root')?.outOfService.length === 1);
    const [machine] = coordinator.buildlets;
    expect(view('root')?.outOfService).toEqual([
      {
        machine: machine?.address,
        sinceMs: expect.any(Number),
        reason: 'the reset command failed: exit status 3: the disk is full',
      },
    ]);
    // Only an admin learns what the machine said.
    expect(view('me')?.outOfService).toEqual([
      { machine: machine?.address, sinceMs: expect.any(Number) },
    ]);
    rmSync(broken);
    await destroyed;
    await until(() => view('root')?.outOfService.length === 0);
    await coordinator.client('me').createBuildlet('linux');
  });
});

describe('coordinator check', () => {
  it.skipIf(!hasBubblewrap)(
    'shows for each pool what is cleaned between users and what is not',
    async () => {
      const directory = temporaryDirectory();
      const path = join(directory, 'coordinator.toml');
      const pool = (name: string, text: string) =>
        `[hosts.${name}]\n[pools.${name}]\nhost = "${name}"\n${text}\n`;
      writeFileSync(join(directory, 'key'), 'k', { mode: 0o600 });
      writeFileSync(
        path,
        [
          'state-directory = "state"',
          pool('walled', 'kind = "local"\nmaximum = 1'),
          pool('open', 'kind = "local"\nmaximum = 1\nisolation = "none"'),
          pool('fixed', 'kind = "static"\nmachines = [{ address = "10.0.0.1:5936" }]'),
          pool('dialled', 'kind = "reverse"\nkey-file = "key"\nreset = "rm -rf /tmp/*"'),
        ].join('\n'),
      );
      const { stdout } = await promisify(execFile)(process.execPath, [
        join(projectRoot, 'bin/coordinator.js'),
        'check',
        '--config',
        path,
      ]);
      expect(stdout).toContain('good: 4 pools');
      expect(stdout).toMatch(/\[pools\.walled\] cleaned between users: everything/);
      expect(stdout).toMatch(/\[pools\.open\] local, NOT CONFINED/);
      expect(stdout).toMatch(/\[pools\.fixed\] NOT CLEANED: files elsewhere/);
      expect(stdout).toMatch(/\[pools\.dialled\] then your reset command is run/);
    },
  );
});
