// The state directory is copied while the coordinator serves, and restored elsewhere once that machine is lost.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const namesIn = async (buildlet: BuildletClient): Promise<string[]> => {
  const names: string[] = [];
  for await (const { name } of buildlet.listDir('.')) names.push(name);
  return names;
};

it('a backup made while it serves has the users and the sessions with their machines', async () => {
  const [one, two] = await Promise.all([startBuildlet(), startBuildlet()]);
  const machines = [one, two].map(({ address }) => `{ address = "${address}" }`).join(', ');
  const toml = [
    ...['[hosts.h]', '[builders.linux]', 'host = "h"', '[pools.p]', 'kind = "static"'],
    ...['host = "h"', `machines = [${machines}]`],
  ].join('\n');
  const first = new CoordinatorProcess({ toml, users: ['me', 'boss'] });
  await first.start();
  const buildlet = await first.client().createBuildlet('linux');
  await buildlet.exec('/bin/sh', { args: ['-c', 'echo kept > file'], systemLevel: true });
  await buildlet.disconnect();
  const archive = join(temporaryDirectory(), 'state.tar.gz');
  execFileSync('tar', ['-C', first.directory, '-czf', archive, 'state']);
  await first.kill();

  const directory = temporaryDirectory();
  execFileSync('tar', ['-C', directory, '-xpzf', archive]);
  const second = new CoordinatorProcess({ toml, directory });
  await second.start();
  const client = second.client();
  expect((await client.remoteBuildlets()).map(({ name }) => name)).toEqual([buildlet.name]);
  expect(await second.client('boss').remoteBuildlets()).toEqual([]);
  const again = client.namedBuildlet(buildlet.name);
  onTestFinished(() => again.disconnect());
  expect(await namesIn(again)).toEqual(['file']);
  // The machine that is in use is nobody else's: the other one is lent.
  const other = await second.client('boss').createBuildlet('linux');
  onTestFinished(() => other.disconnect());
  expect(await namesIn(other)).toEqual([]);
});
