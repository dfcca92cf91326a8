import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Pool } from 'undici';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { NoKeyPair, newKeyPair } from '../../src/client/key-pair.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { all, Collector } from '../helpers/collect.ts';
import { until } from '../helpers/processes.ts';
import { serveRaw } from '../helpers/raw-server.ts';

const statusReply = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"Version":11}');
const sleepLong = { systemLevel: true, args: ['1000'] };

describe('a client', () => {
  it('names its buildlet in every form', () => {
    const plain = new BuildletClient('10.0.0.1:80', NoKeyPair, { description: 'a VM' });
    expect([plain.url, plain.ipPort, plain.name, plain.remoteName, String(plain)]).toEqual([
      'http://10.0.0.1',
      '10.0.0.1:80',
      '10.0.0.1:80',
      '',
      'http://10.0.0.1 a VM',
    ]);
    expect(new BuildletClient('h:8080').url).toBe('http://h:8080');
    expect(new BuildletClient('https://h').ipPort).toBe('h:443');
    expect(new BuildletClient('unix:/run/x').ipPort).toBe('unix:/run/x');
    expect(new BuildletClient('h', undefined, { name: 'n', remoteName: 'r' })).toMatchObject({
      name: 'n',
      remoteName: 'r',
    });
  });

  it.each(['', 'http://', 'ftp://h', 'h/path', 'http://u:p@h', 'unix:', 'h:99999'])(
    'refuses the address %j',
    (address) => {
      expect(() => new BuildletClient(address)).toThrowError(
        expect.objectContaining({ code: 'ERR_USAGE' }),
      );
    },
  );

  it('prints https and no port of its own with a key pair', async () => {
    const pair = await newKeyPair();
    expect(new BuildletClient('h:443', pair).url).toBe('https://h');
    expect(new BuildletClient('h:80', pair).url).toBe('https://h:80');
  });

  it('talks TLS to the server that has its key, with the password of the pair, and to no other', async () => {
    const pair = await newKeyPair();
    const tls = { certPem: pair.certPem, keyPem: pair.keyPem };
    const options = {
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      tls,
      password: pair.password(),
    } as const;
    const buildlet = await startBuildlet(options);
    const connect = (credentials: typeof pair) => {
      const client = new BuildletClient(buildlet.address, credentials);
      onTestFinished(() => client.disconnect());
      return client;
    };
    expect(await connect(pair).status()).toMatchObject({ version: 11 });
    await expect(connect(await newKeyPair()).status()).rejects.toMatchObject({
      code: 'ERR_CERTIFICATE',
    });
  });

  it('does everything that a buildlet offers', async () => {
    const buildlet = await startBuildlet({ password: 'pw' });
    const client = clientOf(buildlet, 'pw');
    expect(await client.workDir()).toBe(buildlet.workDir);
    await client.put(Readable.from([Buffer.from('hel'), Buffer.from('lo')]), 'd/f', 0o640);
    const [entry] = await all(client.listDir('d', { digest: true }));
    expect(entry).toMatchObject({
      name: 'f',
      size: 5,
      permissions: 0o640,
      digest: 'aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d',
    });
    client.releaseMode = true;
    const archive = await buffer(await client.getTar('d'));
    await client.putTar(archive, 'copy');
    const names = await all(client.listDir('', { recursive: true, skip: ['d'] }));
    expect(names.map(({ name, isDirectory }) => [name, isDirectory])).toEqual([
      ['copy', true],
      ['copy/f', false],
    ]);
    await client.removeAll(['copy', 'd']);
    expect(await all(client.listDir(''))).toEqual([]);
  });

  it('gives the coordinator every reply unchanged, with the credentials added', async () => {
    const buildlet = await startBuildlet({ password: 'pw' });
    const response = await clientOf(buildlet, 'pw').proxyRequest({ method: 'GET', path: '/nope' });
    expect([response.statusCode, await response.body.text()]).toEqual([
      404,
      '404 page not found\n',
    ]);
  });

  it('sends by the dispatcher that it is given, and leaves that open', async () => {
    const buildlet = await startBuildlet();
    const dispatcher = new Pool('http://x', { connect: { socketPath: buildlet.address.slice(5) } });
    onTestFinished(() => dispatcher.destroy());
    const client = new BuildletClient('nowhere.invalid:1');
    client.setDispatcher(dispatcher);
    expect(await client.status()).toMatchObject({ version: 11 });
    await client.disconnect();
    expect(dispatcher.destroyed).toBe(false);
  });
});

describe('a call', () => {
  it('that cannot connect reports that', async () => {
    const client = new BuildletClient('127.0.0.1:1');
    onTestFinished(() => client.disconnect());
    await expect(client.status()).rejects.toMatchObject({
      code: 'ERR_CONNECT',
      message: expect.stringContaining('127.0.0.1:1'),
    });
  });

  it('is cancelled by its signal, also by one that aborted before', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    const signal = AbortSignal.abort();
    const calls = [
      client.status({ signal }),
      client.workDir({ signal }),
      client.put('x', 'f', 0o644, { signal }),
      client.putTar('x', '', { signal }),
      client.putTarFromURL('http://x', '', { signal }),
      client.removeAll(['x'], { signal }),
      client.getTar('', { signal }),
      client.exec('true', { signal }),
      all(client.listDir('', { signal })),
    ];
    for (const result of await Promise.allSettled(calls)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ERR_ABORTED' } });
    }
    const controller = new AbortController();
    const running = client.exec('/bin/sleep', {
      ...sleepLong,
      signal: controller.signal,
      onStartExec: () => controller.abort(),
    });
    await expect(running).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(client.isBroken).toBe(false);
  });

  it('whose command takes too long fails, and ends the client', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    await expect(client.exec('/bin/sleep', { ...sleepLong, timeoutMs: 50 })).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
    });
    expect(client.isBroken).toBe(true);
    await expect(client.status()).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  });

  it.each([
    ['without a trailer', '5\r\nhello\r\n0\r\n\r\n'],
    ['cut before its end', '5\r\nhello\r\n'],
    ['cut in the middle of a chunk', '5\r\nhel'],
    [
      'with an end that there is not',
      '5\r\nhello\r\n0\r\nProcess-State: signal: signal 128\r\n\r\n',
    ],
  ])('of exec %s is never a success, and its output up to there is passed on', async (_, body) => {
    const head = 'HTTP/1.1 200 OK\r\nTrailer: Process-State\r\nTransfer-Encoding: chunked\r\n\r\n';
    const { address } = await serveRaw(Buffer.from(head + body));
    const client = new BuildletClient(address);
    onTestFinished(() => client.disconnect());
    const output = new Collector();
    await expect(client.exec('x', { output })).rejects.toMatchObject({ code: 'ERR_LOST' });
    expect(output.text).toMatch(/^hel/);
  });

  it.each([
    ['chunked', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'],
    ['of a known length', 'Content-Length: 100\r\n\r\nabc'],
  ])('for an archive or a listing, %s and cut, is never a short success', async (_, reply) => {
    const { address } = await serveRaw(Buffer.from(`HTTP/1.1 200 OK\r\n${reply}`));
    const client = new BuildletClient(address);
    onTestFinished(() => client.disconnect());
    await expect(client.getTar('').then(buffer)).rejects.toMatchObject({ code: 'ERR_LOST' });
    await expect(all(client.listDir(''))).rejects.toMatchObject({ code: 'ERR_LOST' });
    await expect(client.workDir()).rejects.toMatchObject({ code: 'ERR_LOST' });
  });

  it('whose writer fails gives the writer’s error', async () => {
    const buildlet = await startBuildlet();
    const output = new Collector();
    output._write = (_chunk, _encoding, done: (error?: Error) => void) =>
      done(new Error('disk full'));
    await expect(
      clientOf(buildlet).exec('echo', { systemLevel: true, args: ['x'], output }),
    ).rejects.toThrow('disk full');
  });
});

describe('the heartbeat', () => {
  it('that fails three times ends all calls and is reported once', async () => {
    let alive = true;
    const { address } = await serveRaw((socket) => {
      if (alive) socket.write(statusReply);
    });
    const client = new BuildletClient(address, undefined, { heartbeatIntervalMs: 20 });
    const failed = vi.fn();
    client.onHeartbeatFailure = failed;
    expect(await client.status()).toMatchObject({ version: 11 });
    alive = false;
    await expect(client.workDir()).rejects.toMatchObject({ code: 'ERR_BROKEN' });
    expect(client.isBroken).toBe(true);
    await client.disconnect();
    expect(failed).toHaveBeenCalledOnce();
  });

  it('forgives two failures', async () => {
    let beats = 0;
    const { address } = await serveRaw((socket) => {
      beats++;
      // Two of three are refused.
      socket.write(
        beats % 3 === 1 ? statusReply : 'HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n',
      );
    });
    // Also the time limit of each.
    const client = new BuildletClient(address, undefined, { heartbeatIntervalMs: 500 });
    onTestFinished(() => client.disconnect());
    await client.status();
    await until(() => beats > 6);
    expect(client.isBroken).toBe(false);
  });
});

describe('closing', () => {
  it('ends the buildlet; pending and later calls fail with ERR_CLOSED', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    const failed = vi.fn();
    client.onHeartbeatFailure = failed;
    const pending = client.exec('/bin/sleep', sleepLong).catch((error) => error);
    await client.status();
    await client.close();
    expect(await buildlet.ending).toBe('it was halted');
    expect(await pending).toMatchObject({ code: 'ERR_CLOSED' });
    await expect(client.status()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(failed).toHaveBeenCalledOnce();
    await client.close();
    expect(failed).toHaveBeenCalledOnce();
  });

  it('of a failed client rejects pending calls', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    const pending = client.exec('/bin/sleep', sleepLong);
    client.markBroken();
    await expect(pending).rejects.toMatchObject({ code: 'ERR_BROKEN' });
  });

  it('with its machine ends both, and names whichever refused', async () => {
    const buildlet = await startBuildlet();
    const asked = vi.fn(async () => undefined);
    await clientOf(buildlet).destroyVM(asked);
    expect(asked).toHaveBeenCalledOnce();
    expect(await buildlet.ending).toBe('it was halted');
    const gone = new BuildletClient('127.0.0.1:1', undefined, { name: 'vm-1' });
    const refused = gone.destroyVM(() => Promise.reject(new Error('quota')));
    await expect(refused).rejects.toThrow(
      /^cannot destroy vm-1: platform: quota; buildlet: cannot reach vm-1: /,
    );
  });
});

describe('many calls', () => {
  it('leave no listener, timer or connection behind', async () => {
    const buildlet = await startBuildlet();
    writeFileSync(join(buildlet.workDir, 'f'), 'x');
    const client = clientOf(buildlet);
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    const controller = new AbortController();
    const output = new Collector();
    const { signal } = controller;
    await client.status();
    const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    for (let i = 0; i < 30; i++) {
      await client.exec('true', { systemLevel: true, output, signal, timeoutMs: 60_000 });
      await client.workDir({ signal });
      await buffer(await client.getTar('', { signal }));
      await all(client.listDir('', { signal }));
      await client.put('x', 'f', 0o644, { signal });
    }
    const counts = ['error', 'finish', 'close', 'drain', 'pipe', 'unpipe'].map((event) =>
      output.listenerCount(event),
    );
    expect(counts.every((count) => count <= 1)).toBe(true);
    expect(
      process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length,
    ).toBeLessThanOrEqual(before + 1);
    await client.disconnect();
    await until(() => !process.getActiveResourcesInfo().includes('PipeConnectWrap'));
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });
});
