// A coordinator whose machines are containers.
import { randomBytes } from 'node:crypto';
import { expect, it, onTestFinished } from 'vitest';
import { Collector } from '../helpers/collect.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { docker, dockerLines, images } from './lab.ts';

function coordinator() {
  const host = `h${randomBytes(4).toString('hex')}`;
  const toml = `
[backends.engine]
kind = "docker"
network = "none"
[hosts.${host}]
image = "${images.shell}"
[builders.box]
host = "${host}"
[pools.boxes]
kind = "backend"
backend = "engine"
host = "${host}"
maximum = 2
`;
  const environment = { HOME: temporaryDirectory() };
  const ids = () => dockerLines('ps', '-aq', '--filter', `label=gomote.host=${host}`);
  onTestFinished(() => {
    for (const id of ids()) docker('rm', '-fv', id);
  });
  return { process: new CoordinatorProcess({ toml, environment }), ids };
}

it('a docker pool lends containers, takes them back, and finds them again after a crash', async () => {
  const { process, ids } = coordinator();
  await process.start();
  const client = process.client();
  const { name } = await client.requestBuildlet('box');
  expect(ids()).toHaveLength(1);
  // The coordinator has a store for each of its users.
  expect(docker('inspect', ...ids())).not.toContain('gomote-store-');
  const run = async (script: string) => {
    const buildlet = client.namedBuildlet(name);
    const output = new Collector();
    await buildlet.exec('/bin/sh', { systemLevel: true, args: ['-c', script], output });
    await buildlet.disconnect();
    return output.text;
  };
  expect(await run('echo made >mark; cat mark')).toBe('made\n');
  await process.kill();
  await process.start();
  expect((await client.remoteBuildlets()).map((each) => each.name)).toEqual([name]);
  expect(await run('cat mark')).toBe('made\n');
  const buildlet = client.namedBuildlet(name);
  await buildlet.halt();
  await buildlet.disconnect();
  await expect.poll(ids).toEqual([]);
});
