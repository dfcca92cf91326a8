// Real buildlets that dial a server, and calls to them over the one connection that each has.
import { createHash, randomBytes } from 'node:crypto';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { newKeyPair } from '../../src/client/key-pair.ts';
import { fingerprintOf } from '../../src/http/client/pin.ts';
import { Collector } from '../helpers/collect.ts';
import { startCutter } from '../helpers/cutter.ts';
import { processesWith, until } from '../helpers/processes.ts';
import { clientOver, dialling, startReverseServer } from '../helpers/reverse.ts';

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

async function connected(heartbeatMs?: number) {
  const server = await startReverseServer(heartbeatMs === undefined ? {} : { heartbeatMs });
  const cutter = await startCutter(server.address);
  const arrival = server.next();
  const buildlet = await dialling(`http://${cutter.address}`, { heartbeatMs });
  const link = await arrival;
  await until(() => buildlet.talk.some((line) => line.startsWith('connected')));
  return { server, cutter, buildlet, link };
}

describe('a buildlet that dialled', () => {
  it('runs commands, and passes their output and status', async () => {
    const { link } = await connected();
    const output = new Collector();
    const result = await clientOver(link).exec('sh', {
      systemLevel: true,
      args: ['-c', 'echo out; echo err >&2; exit 3'],
      output,
    });
    expect({ ...result, output: output.text }).toMatchObject({
      exitCode: 3,
      output: 'out\nerr\n',
    });
  });

  it('transfers complete bodies, thirty at once, over one connection', async () => {
    const { link, cutter } = await connected();
    const client = clientOver(link);
    const works = Array.from({ length: 30 }, async (_, index) => {
      const bytes = randomBytes(1 << 20);
      await client.put(bytes, `file${index}`, 0o600);
      const output = new Collector();
      await client.exec('cat', { systemLevel: true, args: [`file${index}`], output });
      return digest(output.bytes) === digest(bytes);
    });
    expect(await Promise.all(works)).toEqual(Array.from({ length: 30 }, () => true));
    expect(cutter.connections).toBe(1);
  });

  it('is slowed by a slow reader only in that reader’s own call', async () => {
    const { link, cutter } = await connected();
    const client = clientOver(link);
    let stalled = 0;
    const leave = new AbortController();
    const unread = Array.from({ length: 8 }, () =>
      client.exec('head', {
        systemLevel: true,
        args: ['-c', '64M', '/dev/zero'],
        // Never takes more than the first chunk.
        output: new Writable({ write: () => void stalled++ }),
        signal: leave.signal,
      }),
    );
    await until(() => stalled === 8);
    const output = new Collector();
    await client.exec('echo', { systemLevel: true, args: ['through'], output });
    expect(output.text).toBe('through\n');
    expect(cutter.upBytes).toBeLessThan(8 * (8 << 20));
    leave.abort();
    await Promise.allSettled(unread);
  });

  it('slows an upload that the machine does not read', async () => {
    const { link } = await connected();
    const client = clientOver(link);
    let taken = 0;
    const source = (async function* () {
      for await (const chunk of zeros(256)) {
        taken += chunk.length;
        yield chunk;
      }
    })();
    const abort = new AbortController();
    // A directory in the way: the buildlet refuses without reading the body.
    await client.put('x', 'dir/file', 0o600);
    await expect(
      client.put(Readable.from(source), 'dir', 0o600, { signal: abort.signal }),
    ).rejects.toMatchObject({ code: 'ERR_STATUS', message: expect.stringContaining('dir') });
    expect(taken).toBeLessThan(64 << 20);
  });

  it('ends a command whose caller disconnects, and nothing else', async () => {
    const { link } = await connected();
    const client = clientOver(link);
    const mark = randomBytes(8).toString('hex');
    const abort = new AbortController();
    const output = new Collector();
    const running = client.exec('sh', {
      systemLevel: true,
      args: ['-c', `echo started; while :; do sleep 1; done`, mark],
      output,
      signal: abort.signal,
    });
    const other = client.exec('sh', {
      systemLevel: true,
      args: ['-c', 'while [ ! -e go ]; do sleep 0.01; done; exit 5'],
    });
    await until(() => output.text === 'started\n');
    abort.abort();
    await expect(running).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await until(() => processesWith(mark).length === 0);
    await client.put('', 'go', 0o600);
    expect(await other).toMatchObject({ exitCode: 5 });
  });

  it('reports a reply that breaks off, in that call only', async () => {
    const { link, buildlet } = await connected();
    const client = clientOver(link);
    const file = join(buildlet.workDir, 'big');
    writeFileSync(file, '');
    truncateSync(file, 256 << 20);
    const { body } = await client.proxyRequest({ method: 'GET', path: '/file?path=big' });
    const read = async () => {
      // The reply has promised all of it.
      for await (const _ of body) truncateSync(file, 0);
    };
    await expect(read()).rejects.toMatchObject({ code: 'ERR_LOST' });
    expect(await client.workDir()).toBe(buildlet.workDir);
  });

  it('passes an archive of many files in both directions', async () => {
    const { link, buildlet } = await connected();
    const client = clientOver(link);
    for (let index = 0; index < 200; index++) {
      writeFileSync(join(buildlet.workDir, `f${index}`), randomBytes(index * 100));
    }
    const archive = await buffer(await client.getTar(''));
    await client.putTar(archive, 'copy');
    const output = new Collector();
    const script = 'for f in f*; do cmp $f copy/$f || exit 1; done; ls copy | wc -l';
    const result = await client.exec('sh', { systemLevel: true, args: ['-c', script], output });
    expect({ code: result.exitCode, count: output.text.trim() }).toEqual({ code: 0, count: '200' });
  });
});

describe('a reverse connection that breaks', () => {
  it.each(['drop', 'end'] as const)(
    '(%s) fails the calls in progress, with the reason',
    async (kind) => {
      const server = await startReverseServer();
      const cutter = await startCutter(server.address);
      const arrival = server.next();
      cutter.plan = (connection) =>
        connection === 0 ? { kind, direction: 'up', afterBytes: 100_000 } : undefined;
      const buildlet = await dialling(`http://${cutter.address}`);
      const link = await arrival;
      const client = clientOver(link);
      const reading = client.exec('sh', {
        systemLevel: true,
        args: ['-c', 'head -c 1000000 /dev/zero; sleep 1000'],
      });
      await expect(reading).rejects.toMatchObject({
        code: 'ERR_LOST',
        message: expect.stringMatching(/^the machine: .*connection/),
      });
      expect(await link.ended).toMatch(/connection/);
      expect(() => link.open()).toThrow(/the machine: .*connection/);
      await until(() => buildlet.talk.length >= 3);
      expect(buildlet.talk[0]).toMatch(/^connected to/);
    },
  );

  it('ends the commands that ran over it', async () => {
    const { link, cutter } = await connected();
    const mark = randomBytes(8).toString('hex');
    const output = new Collector();
    const running = clientOver(link).exec('sh', {
      systemLevel: true,
      args: ['-c', 'echo on; while :; do sleep 1; done', mark],
      output,
    });
    await until(() => output.text === 'on\n');
    cutter.drop();
    await expect(running).rejects.toMatchObject({ code: 'ERR_LOST' });
    await until(() => processesWith(mark).length === 0);
  });

  it('silently is detected by both ends', async () => {
    const server = await startReverseServer({ heartbeatMs: 20 });
    const cutter = await startCutter(server.address);
    cutter.plan = (connection) =>
      connection === 0 ? { kind: 'stall', direction: 'up', afterBytes: 5_000 } : undefined;
    const arrival = server.next();
    const buildlet = await dialling(`http://${cutter.address}`, { heartbeatMs: 20 });
    const link = await arrival;
    const second = server.next();
    const running = clientOver(link).exec('head', {
      systemLevel: true,
      args: ['-c', '100000', '/dev/zero'],
    });
    await expect(running).rejects.toMatchObject({
      message: expect.stringContaining('no answer to heartbeats for 0.06 s'),
    });
    expect(await link.ended).toBe('no answer to heartbeats for 0.06 s');
    expect(await clientOver(await second).workDir()).toBe(buildlet.workDir);
  });

  it('is reopened every time, and serves again', async () => {
    const { server, cutter, buildlet } = await connected();
    for (let round = 0; round < 5; round++) {
      const arrival = server.next();
      cutter.drop();
      expect(await clientOver(await arrival).workDir()).toBe(buildlet.workDir);
    }
  });

  it('is reopened after the server was away', async () => {
    const { server, cutter, buildlet, link } = await connected();
    cutter.accepting = false;
    cutter.drop();
    await link.ended;
    await until(() => buildlet.talk.some((line) => /cannot reach/.test(line)));
    const arrival = server.next();
    cutter.accepting = true;
    expect(await clientOver(await arrival).workDir()).toBe(buildlet.workDir);
  });

  it('on purpose gives the other end the reason', async () => {
    const { link, buildlet } = await connected();
    await buildlet.hangUp('it is ending: it got SIGTERM');
    expect(await link.ended).toBe('it is ending: it got SIGTERM');
    const other = await connected();
    other.link.end('the coordinator is ending');
    await until(() => other.buildlet.talk.some((line) => line.endsWith('coordinator is ending')));
  });

  it('does not cut a reply that is on its way when the machine hangs up', async () => {
    const { link, buildlet } = await connected();
    const output = new Collector();
    const script = 'echo on; while [ ! -e go ]; do sleep 0.01; done; echo off';
    const running = clientOver(link).exec('sh', {
      systemLevel: true,
      args: ['-c', script],
      output,
    });
    await until(() => output.text === 'on\n');
    const hungUp = buildlet.hangUp('it is ending');
    writeFileSync(join(buildlet.workDir, 'go'), '');
    expect(await running).toMatchObject({ exitCode: 0 });
    expect(output.text).toBe('on\noff\n');
    await buildlet.close();
    await hungUp;
  });
});

describe('a buildlet that dials', () => {
  it('shows who the machine is, with its key', async () => {
    const { server } = await connected();
    expect(server.links[0]?.request).toMatchObject({
      method: 'GET',
      url: '/buildlet/reverse',
      headers: {
        authorization: 'Bearer the-key',
        'gomote-host-type': 'host-mac',
        'gomote-machine': 'mac1',
        'gomote-boot': expect.stringMatching(/^[0-9a-f]{16}$/),
      },
    });
  });

  it('continues after a refusal, which it reports', async () => {
    const server = await startReverseServer();
    server.refusal = 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 8\r\n\r\nbad key\n';
    const buildlet = await dialling(`http://${server.address}`);
    await until(() => buildlet.talk.length > 0);
    expect(buildlet.talk[0]).toBe(`${server.address} refused: bad key`);
    const arrival = server.next();
    server.refusal = undefined;
    await arrival;
  });

  it('accepts a certificate by its fingerprint, and calls over TLS', async () => {
    const pair = await newKeyPair();
    const server = await startReverseServer({ tls: { cert: pair.certPem, key: pair.keyPem } });
    const arrival = server.next();
    const buildlet = await dialling(`https://${server.address}`, {
      trust: { fingerprint: fingerprintOf(pair.certPem) },
    });
    const client = clientOver(await arrival);
    const bytes = randomBytes(3 << 20);
    await client.put(bytes, 'file', 0o600);
    const output = new Collector();
    await client.exec('cat', { systemLevel: true, args: ['file'], output });
    expect(digest(output.bytes)).toBe(digest(bytes));
    expect(await client.workDir()).toBe(buildlet.workDir);
  });

  it('accepts a certificate by its authority and its name', async () => {
    const pair = await newKeyPair();
    const server = await startReverseServer({ tls: { cert: pair.certPem, key: pair.keyPem } });
    const buildlet = await dialling(`https://${server.address}`, {
      trust: { caPem: pair.certPem },
    });
    await until(() => buildlet.talk.length > 0);
    // It names the addresses that a server has on its own machine.
    expect(buildlet.talk[0]).toMatch(/^connected to https:\/\/127\.0\.0\.1:/);
  });

  it('sends no key to a server with another certificate', async () => {
    const pair = await newKeyPair();
    const server = await startReverseServer({ tls: { cert: pair.certPem, key: pair.keyPem } });
    const buildlet = await dialling(`https://${server.address}`, {
      trust: { fingerprint: '0'.repeat(64) },
    });
    await until(() => buildlet.talk.length > 0);
    expect(buildlet.talk[0]).toContain('its certificate is not the pinned one');
    expect(server.links).toEqual([]);
  });
});

async function* zeros(mib: number): AsyncGenerator<Buffer> {
  const chunk = Buffer.alloc(1 << 16);
  for (let index = 0; index < mib * 16; index++) yield chunk;
}
