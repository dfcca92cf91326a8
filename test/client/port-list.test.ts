// Which ports the commands of a buildlet listen at.
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { Writable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { listPorts } from '../../src/buildlet/handlers/forward.ts';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import type { Exchange } from '../../src/http/server/server.ts';
import { hasBubblewrap, sandboxed } from '../helpers/bubblewrap.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { startCoordinator } from '../helpers/coordinator.ts';

/** Runs the script of Node in a child of a command until the test ends; the result is the first that it writes. */
async function firstWords(client: BuildletClient, script: string): Promise<string> {
  const ending = new AbortController();
  let resolve: (words: string) => void = () => undefined;
  const words = new Promise<string>((found) => {
    resolve = found;
  });
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      resolve(String(chunk));
      done();
    },
  });
  const run = client.exec('/bin/sh', {
    systemLevel: true,
    args: ['-c', '"$1" -e "$2"; exit', 'sh', process.execPath, script],
    output,
    signal: ending.signal,
  });
  run.catch(() => undefined);
  onTestFinished(async () => {
    ending.abort();
    await run.catch(() => undefined);
  });
  return await words;
}

/** Starts a command that listens there; the result is its port. */
const listen = async (client: BuildletClient, host: string, port = 0): Promise<number> =>
  Number(
    await firstWords(
      client,
      `const server = require('node:net').createServer();
       server.listen(${port}, '${host}', () => console.log(server.address().port));`,
    ),
  );

const ways: { way: string; open: () => Promise<BuildletClient> }[] = [
  { way: 'reached directly', open: async () => clientOf(await startBuildlet()) },
  {
    way: 'behind a coordinator',
    open: async () => await (await startCoordinator()).client('me').createBuildlet('linux'),
  },
];

describe.skipIf(process.platform !== 'linux')('the list of ports', () => {
  it.each(ways)('of a buildlet $way has only the ports of its commands', async ({ open }) => {
    const client = await open();
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    expect(await client.ports.list()).toEqual([]);
    const [one, two] = [await listen(client, '127.0.0.1'), await listen(client, '0.0.0.0')];
    expect(await client.ports.list()).toEqual([one, two].sort((a, b) => a - b));
  });

  it.each(['::1', '::', '::ffff:127.0.0.1', '127.0.0.1'])('has a port at %s', async (host) => {
    const client = clientOf(await startBuildlet());
    const port = await listen(client, host);
    expect(await client.ports.list()).toEqual([port]);
  });

  it('has none where localhost does not lead', async () => {
    const client = clientOf(await startBuildlet());
    await listen(client, '127.0.0.2');
    expect(await client.ports.list()).toEqual([]);
  });

  it('has at most 100 ports', async () => {
    const client = clientOf(await startBuildlet());
    await firstWords(
      client,
      `const servers = Array.from({ length: 110 }, () =>
         require('node:net').createServer().listen(0, '127.0.0.1'));
       Promise.all(servers.map((server) => require('node:events').once(server, 'listening')))
         .then(() => console.log('open'));`,
    );
    expect(await client.ports.list()).toHaveLength(100);
  });

  it('is empty where commands have no network', async () => {
    const confinement = sandboxed({ isolation: 'none', network: 'none' });
    const client = clientOf(await startBuildlet({ confinement }));
    expect(await client.ports.list()).toEqual([]);
  });

  it.skipIf(!hasBubblewrap)('of a sandbox has the ports in it', async () => {
    const client = clientOf(await startBuildlet({ confinement: sandboxed({ network: 'none' }) }));
    expect(await client.ports.list()).toEqual([]);
    expect(await listen(client, '127.0.0.1', 4711)).toBe(4711);
    expect(await client.ports.list()).toEqual([4711]);
  });

  it.skipIf(!hasBubblewrap)('of a sandbox in the network of the machine has its own', async () => {
    const client = clientOf(await startBuildlet({ confinement: sandboxed() }));
    const port = await listen(client, '127.0.0.1');
    expect(await client.ports.list()).toEqual([port]);
  });

  it('requires the password', async () => {
    const client = clientOf(await startBuildlet({ password: 'secret' }), 'wrong');
    await expect(client.ports.list()).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  });

  it('is missing where the buildlet lacks the extension', async () => {
    const client = clientOf(await startBuildlet({ features: [] }));
    await expect(client.ports.list()).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: `${client.name} cannot forward ports`,
    });
  });

  it('is refused where the coordinator forwards no ports', async () => {
    const { client: clientFor } = await startCoordinator({ toml: 'forward = false' });
    const client = await clientFor('me').createBuildlet('linux');
    await expect(client.ports.list()).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });
});

/** A client of what answers every request so. */
async function clientOfServer(answer: RequestListener): Promise<BuildletClient> {
  const server = createHttpServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new BuildletClient(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(async () => {
    await client.disconnect();
    server.close();
  });
  return client;
}

describe('a list of ports', () => {
  it.each([
    '',
    '[]',
    '{"ports":[0]}',
    '{"ports":[65536]}',
    '{"ports":[80.5]}',
    '{"ports":["80"]}',
    '{"ports":[-1]}',
    JSON.stringify({ ports: Array.from({ length: 101 }, (_, index) => index + 1) }),
  ])('that reads %s is not believed', async (body) => {
    const client = await clientOfServer((_request, response) => void response.end(body));
    await expect(client.ports.list()).rejects.toMatchObject({ code: 'ERR_REPLY' });
  });

  it('is refused by a buildlet on a system that has none', async () => {
    const handle = listPorts({ ports: async () => [1] }, 'darwin');
    const client = await clientOfServer(
      (_request, response) => void handle({ response } as Exchange),
    );
    await expect(client.ports.list()).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('ports are listed on Linux alone'),
    });
  });
});
