// The coordinator as a program takes another configuration over while it serves, or keeps the old one and says why.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import type { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { newKeyPair } from '../../src/client/key-pair.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { Collector } from '../helpers/collect.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { until } from '../helpers/processes.ts';
import { ending, projectRoot } from '../helpers/programs.ts';

const head = 'listen = "unix:socket"\ntls = "off"\nstate-directory = "state"\n';
const local = (name: string, maximum: number, more = '') => `
[hosts.${name}]
[builders.${name}]
host = "${name}"
[pools.${name}]
kind = "local"
isolation = "none"
host = "${name}"
maximum = ${maximum}
${more}
`;

const quota = (count: number) => `[limits]\nper-user = ${count}\n`;

async function serving(toml: string) {
  const coordinator = new CoordinatorProcess({ toml });
  await coordinator.start();
  const write = (text: string) =>
    writeFileSync(join(coordinator.directory, 'socket.toml'), head + text);
  const program = join(projectRoot, 'bin/coordinator.js');
  const command = (...args: string[]) =>
    ending(
      spawn(process.execPath, [program, ...args, '--config', 'socket.toml'], {
        cwd: coordinator.directory,
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  const reload = async (text: string) => {
    write(text);
    return await command('reload');
  };
  return { coordinator, client: coordinator.client(), write, command, reload };
}

async function create(client: CoordinatorClient, type: string): Promise<BuildletClient> {
  const buildlet = await client.createBuildlet(type);
  onTestFinished(() => buildlet.disconnect());
  return buildlet;
}

it('a reload applies limits and pools while a run continues', async () => {
  const { coordinator, client, reload } = await serving(
    quota(1) + local('one', 1) + local('gone', 1),
  );
  const buildlet = await create(client, 'one');
  const output = new Collector();
  const args = ['-c', 'echo begun; until [ -e go ]; do sleep 0.05; done; echo done'];
  const running = buildlet.exec('sh', { args, systemLevel: true, output });
  await until(() => output.text === 'begun\n');
  await expect(client.createBuildlet('one')).rejects.toMatchObject({ code: 'ERR_QUOTA' });

  expect(await reload(quota(9) + local('one', 2) + local('two', 1))).toMatchObject({
    code: 0,
    stdout: Buffer.from('reloaded\n'),
  });
  await create(client, 'one');
  await create(client, 'two');
  await expect(client.createBuildlet('gone')).rejects.toMatchObject({ code: 'ERR_UNKNOWN_TYPE' });
  await buildlet.exec('touch', { args: ['go'], systemLevel: true });
  expect(await running).toMatchObject({ ok: true });
  expect(output.text).toBe('begun\ndone\n');
  expect(coordinator.count('"event":"reloaded"')).toBe(1);
});

it('a reload keeps machines in use of a pool that has left the configuration', async () => {
  const { client, reload } = await serving(local('one', 1) + local('gone', 1, 'warm = 1'));
  const buildlet = await create(client, 'gone');
  expect(await reload(local('one', 1))).toMatchObject({ code: 0 });
  expect(await buildlet.exec('true', { systemLevel: true })).toMatchObject({ ok: true });
  await buildlet.close();
  await until(async () => (await client.remoteBuildlets()).length === 0);
});

it('a reload adds and removes static machines', async () => {
  const machines = await Promise.all([startBuildlet(), startBuildlet()]);
  const [first = '', second = ''] = machines.map(({ address }) => address);
  const pool = (...addresses: string[]) => `
[hosts.fixed]
[builders.fixed]
host = "fixed"
[pools.fixed]
kind = "static"
host = "fixed"
machines = [${addresses.map((address) => `{ address = "${address}" }`).join(', ')}]
`;
  const { client, reload } = await serving(pool(first));
  const one = await create(client, 'fixed');
  expect(await reload(pool(second))).toMatchObject({ code: 0 });
  // The one in use stays so; the other can be lent.
  expect(await one.exec('true', { systemLevel: true })).toMatchObject({ ok: true });
  const two = await create(client, 'fixed');
  await one.close();
  await two.close();
  // What comes next is of the second machine.
  expect((await create(client, 'fixed')).name).toMatch(/fixed/);
  await expect(
    client.createBuildlet('fixed', { signal: AbortSignal.timeout(300) }),
  ).rejects.toMatchObject({ code: 'ERR_ABORTED' });
});

it.each([
  ['a file that cannot be read', 'pools = 7', /pools/],
  [
    'another address',
    `${local('one', 1)}`.replace(/^/, 'team = "other"\n'),
    /team cannot be changed by a reload; start the coordinator again/,
  ],
  [
    'a new pool that cannot be opened',
    `${local('one', 1)}${local('two', 1).replace('isolation = "none"', 'kind = "static"\nmachines = [{ address = "127.0.0.1:1", password-file = "open" }]').replace('kind = "local"\n', '').replace('maximum = 1\n', '')}`,
    /open/,
  ],
])(
  'a reload refuses %s with the reason, and the coordinator continues',
  async (_title, text, reason) => {
    const { coordinator, client, reload, write } = await serving(local('one', 1));
    writeFileSync(join(coordinator.directory, 'open'), 'secret\n', { mode: 0o644 });
    const refused = await reload(text);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(reason)]);
    // The coordinator itself, which reads what the command need not have read.
    write(text);
    coordinator.signal('SIGHUP');
    await until(() => coordinator.count('"event":"reload-refused"') > 0);
    expect(await (await create(client, 'one')).exec('true', { systemLevel: true })).toMatchObject({
      ok: true,
    });
  },
);

it('a reload reopens the audit file after it was moved away', async () => {
  const { coordinator, client, command } = await serving(local('one', 2));
  await create(client, 'one');
  const path = join(coordinator.directory, 'state', 'audit.jsonl');
  await until(() => readFileSync(path, 'utf8').includes('user-me-one-0'));
  renameSync(path, `${path}.1`);
  expect(await command('reload')).toMatchObject({ code: 0 });
  await create(client, 'one');
  await until(() => existsSync(path) && readFileSync(path, 'utf8').includes('user-me-one-1'));
  expect(readFileSync(`${path}.1`, 'utf8')).not.toContain('user-me-one-1');
});

it('a reload reports that no coordinator runs', async () => {
  const { coordinator, command } = await serving(local('one', 1));
  await coordinator.kill('SIGTERM');
  const { code, stderr } = await command('reload');
  expect([code, stderr]).toEqual([1, expect.stringContaining('no coordinator serves from')]);
});

it('a reload ends the connections of clients that follow a run, and they reconnect', async () => {
  const { coordinator, client } = await serving(`drain-timeout = "10m"\n${local('one', 1)}`);
  const buildlet = await create(client, 'one');
  const output = new Collector();
  const session = await buildlet.sessions.start({
    cmd: 'sh',
    systemLevel: true,
    args: ['-c', 'echo begun; until [ -e go ]; do sleep 0.05; done; echo done'],
  });
  if (session === undefined) throw new Error('it knows no sessions');
  const reading = session.read({ stdout: output });
  await until(() => output.text === 'begun\n');
  // Not after ten minutes, for which the run might go on.
  await coordinator.kill('SIGTERM');
  await coordinator.start();
  await buildlet.exec('touch', { args: ['go'], systemLevel: true });
  expect(await reading).toMatchObject({ isWhole: true });
  expect(output.text).toBe('begun\ndone\n');
});

it('a reload presents a renewed certificate', async () => {
  const [first, second] = [await newKeyPair(), await newKeyPair()];
  const { serve } = await import('../../src/coordinator/serve.ts');
  const { loadCoordinatorConfig } = await import('../../src/coordinator/config.ts');
  const { temporaryDirectory } = await import('../helpers/temporary.ts');
  const { connect } = await import('node:tls');
  const directory = temporaryDirectory();
  const put = ({ certPem, keyPem }: typeof first) => {
    writeFileSync(join(directory, 'cert.pem'), certPem);
    writeFileSync(join(directory, 'key.pem'), keyPem, { mode: 0o600 });
  };
  put(first);
  const tls = 'tls = { cert-file = "cert.pem", key-file = "key.pem" }';
  const text = `listen = "127.0.0.1:0"\nstate-directory = "state"\n${tls}\n${local('one', 1)}`;
  writeFileSync(join(directory, 'c.toml'), text);
  const load = () => loadCoordinatorConfig(join(directory, 'c.toml'));
  const log = { write: () => undefined };
  const serving = await serve(load(), { environment: { PATH: process.env.PATH }, log });
  onTestFinished(() => serving.drain(0));
  const seen = async () => {
    const { port } = new URL(serving.url);
    const socket = connect({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const { raw } = socket.getPeerCertificate();
    socket.destroy();
    return raw.toString('base64').slice(0, 60);
  };
  const before = await seen();
  put(second);
  await serving.reload(load());
  const after = await seen();
  expect(after).not.toBe(before);
  // A key of another certificate is refused, and what was presented is presented still.
  put({ ...second, keyPem: first.keyPem } as typeof first);
  await expect(serving.reload(load())).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  expect(await seen()).toBe(after);
});
