// Streams given to the library's calls: none is lost, none ends the process, wherever the buildlet is.
import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { AgentOptions } from '../../src/buildlet/agent.ts';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { type KeyPair, newKeyPair } from '../../src/client/key-pair.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { Collector } from '../helpers/collect.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const tcp = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

let pair: Promise<KeyPair> | undefined;

async function startOver(transport: string) {
  pair ??= newKeyPair();
  const keys = transport === 'TLS' ? await pair : undefined;
  const options: Partial<AgentOptions> = {
    ...(transport !== 'a unix socket' && { address: tcp }),
    ...(keys && { tls: { certPem: keys.certPem, keyPem: keys.keyPem }, password: keys.password() }),
  };
  const buildlet = await startBuildlet(options);
  const client = new BuildletClient(buildlet.address, keys);
  onTestFinished(() => client.disconnect());
  return { buildlet, client, at: (name: string) => join(buildlet.workDir, name) };
}

/** What would have ended the process. */
const uncaught: unknown[] = [];
const note = (error: unknown) => void uncaught.push(error);

beforeEach(() => {
  process.on('uncaughtExceptionMonitor', note);
});
afterEach(() => {
  process.off('uncaughtExceptionMonitor', note);
  expect(uncaught.splice(0)).toEqual([]);
});

const absent = () => createReadStream(join(temporaryDirectory(), 'absent'));
const badOutput = () => createWriteStream(join(temporaryDirectory(), 'absent', 'file'));

const closing = (stream: Readable | Writable) =>
  new Promise<void>((resolve) => {
    if (stream.closed) resolve();
    else stream.once('close', resolve);
  });
const echo = () => spawn('echo', ['hello']).stdout;

/** Every call that takes a stream to send. */
const senders: readonly (readonly [
  name: string,
  send: (client: BuildletClient, source: () => Readable) => Promise<unknown>,
])[] = [
  ['put', (client, source) => client.put(source(), 'f', 0o644)],
  ['putTar', (client, source) => client.putTar(source(), 'd')],
  ['files.put', (client, source) => client.files.put(source(), 'f', { mode: 0o644 })],
  [
    'sendInput',
    async (client, source) => {
      const session = await client.sessions.start({
        cmd: 'cat',
        systemLevel: true,
        stdin: true,
        detach: true,
      });
      await session?.sendInput(source());
    },
  ],
];

/** Every call that takes a stream to write to. */
const writers: readonly (readonly [
  name: string,
  write: (client: BuildletClient, output: () => Writable) => Promise<unknown>,
])[] = [
  [
    'exec',
    (client, output) => client.exec('echo', { systemLevel: true, args: ['x'], output: output() }),
  ],
  ['read', (client, stdout) => readSession(client, () => ({ stdout: stdout() }))],
  ['read (stderr)', (client, stderr) => readSession(client, () => ({ stderr: stderr() }))],
];

async function readSession(
  client: BuildletClient,
  outputs: () => { stdout?: Writable; stderr?: Writable },
): Promise<unknown> {
  const args = ['-c', 'echo x; echo y >&2'];
  const session = await client.sessions.start({ cmd: 'sh', args, systemLevel: true });
  return await session?.read(outputs());
}

describe.each(['a unix socket', 'TCP', 'TLS'])(
  'a stream given to a client over %s',
  (transport) => {
    it.each(senders)('that fails at once fails %s with ERR_LOCAL_FILE', async (_name, send) => {
      const { client } = await startOver(transport);
      // A second call has everything loaded that the first had to wait for.
      for (let n = 0; n < 2; n++) {
        await expect(send(client, absent)).rejects.toMatchObject({
          code: 'ERR_LOCAL_FILE',
          message: expect.stringContaining('ENOENT'),
        });
      }
      expect(client.isBroken).toBe(false);
    });

    it.each(senders)(
      'that fails in its middle fails %s with ERR_LOCAL_FILE',
      async (_name, send) => {
        const { client, at } = await startOver(transport);
        const failing = () => {
          const source = new PassThrough();
          source.write(Buffer.alloc(100_000));
          setImmediate(() => source.destroy(new Error('the disk is gone')));
          return source;
        };
        const sent = send(client, failing);
        await expect(sent).rejects.toMatchObject({
          code: 'ERR_LOCAL_FILE',
          message: expect.stringContaining('the disk is gone'),
        });
        expect(existsSync(at('f'))).toBe(false);
      },
    );

    it.each(writers)('that cannot be opened fails %s with its own error', async (_name, write) => {
      const { client } = await startOver(transport);
      for (let n = 0; n < 2; n++) {
        await expect(write(client, badOutput)).rejects.toMatchObject({ code: 'ENOENT' });
      }
      expect(client.isBroken).toBe(false);
    });

    it('of a child that has ended loses nothing', async () => {
      const { client, at } = await startOver(transport);
      await client.put(echo(), 'a', 0o644);
      await client.files.put(echo(), 'b', { mode: 0o644 });
      for (const name of ['a', 'b']) expect(readFileSync(at(name), 'utf8')).toBe('hello\n');
      const session = await client.sessions.start({ cmd: 'cat', systemLevel: true, stdin: true });
      const stdout = new Collector();
      const input = session?.sendInput(echo());
      await session?.read({ stdout });
      await input;
      expect(stdout.text).toBe('hello\n');
    });
  },
);

describe('a stream given to a client', () => {
  it('is destroyed when the call fails before any of it is read', async () => {
    const client = new BuildletClient('unix:/nosuch/socket');
    onTestFinished(() => client.disconnect());
    for (const send of [
      (source: Readable) => client.put(source, 'f', 0o644),
      (source: Readable) => client.putTar(source, 'd'),
    ]) {
      const source = new PassThrough();
      await expect(send(source)).rejects.toMatchObject({ code: 'ERR_CONNECT' });
      expect(source.destroyed).toBe(true);
    }
  });

  it('that cannot be opened does no harm when the call has failed before it', async () => {
    const client = new BuildletClient('unix:/nosuch/socket');
    onTestFinished(() => client.disconnect());
    const lost = { code: expect.stringMatching(/^(ERR_CONNECT|ENOENT)$/) };
    await expect(client.exec('true', { output: badOutput() })).rejects.toMatchObject(lost);
    const failed = { code: expect.stringMatching(/^ERR_(CONNECT|LOCAL_FILE)$/) };
    await expect(client.put(absent(), 'f', 0o644)).rejects.toMatchObject(failed);
    await client.disconnect();
    await expect(client.exec('true', { output: badOutput() })).rejects.toMatchObject({
      code: 'ERR_CLOSED',
    });
    const output = badOutput();
    await new Promise((resolve) => output.once('error', resolve));
  });

  it.each([
    ['a mode that is none', { mode: Number.NaN }],
    ['a path that is none', { path: 5 as unknown as string }],
    ['a signal that is none', { signal: {} as AbortSignal }],
    ['no signal, said as null', { signal: null as unknown as AbortSignal }],
  ])('that cannot be opened does no harm when the call is refused for %s', async (_what, wrong) => {
    const { client } = await startOver('a unix socket');
    const {
      path = 'f',
      mode = 0o644,
      ...options
    } = { ...wrong } as {
      path?: string;
      mode?: number;
      signal?: AbortSignal;
    };
    const sources: Readable[] = [];
    const source = () => {
      const made = absent();
      sources.push(made);
      return made;
    };
    const usage = { code: 'ERR_USAGE' };
    await expect(client.put(source(), path, mode, options)).rejects.toMatchObject(usage);
    // The source may fail first.
    const either = { code: expect.stringMatching(/^(ERR_USAGE|ERR_LOCAL_FILE|ENOENT)$/) };
    const file = { mode, ...options };
    await expect(client.files.put(source(), path, file)).rejects.toMatchObject(either);
    if ('signal' in options) {
      await expect(client.putTar(source(), path, options)).rejects.toMatchObject(usage);
      const session = client.sessions.get('x');
      await expect(session.sendInput(source(), options)).rejects.toMatchObject(usage);
      const output = badOutput();
      await expect(client.exec('true', { output, ...options })).rejects.toMatchObject(either);
      await closing(output);
    }
    await Promise.all(sources.map(closing));
  });

  it('keeps no listener of ours', async () => {
    const { client } = await startOver('a unix socket');
    const output = new Collector();
    await client.exec('echo', { systemLevel: true, output });
    await readSession(client, () => ({ stdout: output, stderr: output }));
    expect(output.eventNames()).toEqual(new Collector().eventNames());
    expect(output.writableEnded).toBe(false);
  });

  it.each(['put', 'putTar', 'files.put', 'sendInput'])(
    'that gives no more bytes does not keep %s from being cancelled',
    async (name) => {
      const { client } = await startOver('a unix socket');
      const send = {
        put: (source: AsyncIterable<Uint8Array>, signal: AbortSignal) =>
          client.put(source, 'f', 0o644, { signal }),
        putTar: (source: AsyncIterable<Uint8Array>, signal: AbortSignal) =>
          client.putTar(source, 'f', { signal }),
        'files.put': (source: AsyncIterable<Uint8Array>, signal: AbortSignal) =>
          client.files.put(source, 'f', { mode: 0o644, signal }),
        sendInput: async (source: AsyncIterable<Uint8Array>, signal: AbortSignal) => {
          const request = { cmd: 'cat', systemLevel: true, stdin: true, detach: true };
          const session = await client.sessions.start(request);
          await session?.sendInput(source, { signal });
        },
      }[name];
      const stalled = async function* () {
        yield Buffer.from('x');
        await new Promise(() => undefined);
      };
      for (const source of [new PassThrough(), stalled()]) {
        const leave = new AbortController();
        const why = new Error('enough');
        const call = send?.(source, leave.signal);
        setImmediate(() => leave.abort(why));
        await expect(call).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: why });
      }
      expect(client.isBroken).toBe(false);
    },
  );

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a number', 5],
    ['an object', {}],
    ['an array', [Buffer.from('x')]],
  ])('must be a stream: %s is ERR_USAGE', async (_name, source) => {
    const { client, at } = await startOver('a unix socket');
    const bad = source as unknown as Readable;
    for (const [, send] of senders.slice(0, 3)) {
      await expect(send(client, () => bad)).rejects.toMatchObject({ code: 'ERR_USAGE' });
    }
    await expect(client.put(Readable.from([5]), 'f', 0o644)).rejects.toMatchObject({
      code: 'ERR_USAGE',
    });
    expect(existsSync(at('f'))).toBe(false);
  });

  it('may give text, may be slow, and arrives complete', async () => {
    const { client, at } = await startOver('a unix socket');
    const slow = async function* () {
      for (const piece of ['a', 'ü', 'c']) {
        await new Promise((resolve) => setImmediate(resolve));
        yield piece as unknown as Uint8Array;
      }
    };
    await client.put(slow(), 'f', 0o644);
    expect(readFileSync(at('f'), 'utf8')).toBe('aüc');
    const text = new PassThrough({ encoding: 'utf8' });
    text.end('text');
    await client.put(text, 'f', 0o644);
    expect(readFileSync(at('f'), 'utf8')).toBe('text');
    const big = Buffer.alloc(5 << 20, 'x');
    await client.put(Readable.from([big, big]), 'f', 0o644);
    expect(statSync(at('f')).size).toBe(2 * big.length);
    await expect(
      client.putTar(Readable.from([gzipSync(Buffer.alloc(1024))]), 'd'),
    ).resolves.toBeDefined();
  });
});

describe('a source that cannot be sent', () => {
  const fail = () => {
    throw new Error('broken');
  };
  async function* thrower() {
    yield Buffer.from('x');
    fail();
  }
  async function ended(stream: Readable): Promise<Readable> {
    stream.resume();
    await new Promise((resolve) => stream.once('end', resolve));
    return stream;
  }
  const sources: readonly (readonly [string, () => unknown])[] = [
    ['a stream that has been read', () => ended(Readable.from(['x']))],
    ['the output of a child that nobody took', () => ended(echo())],
    ['a stream that was destroyed', () => new PassThrough().destroy()],
    ['a stream of objects', () => Readable.from([{}])],
    ['a generator that throws', thrower],
    ['an iterator that throws', () => ({ [Symbol.asyncIterator]: () => ({ next: fail }) })],
    ['an iterable that throws', () => ({ [Symbol.asyncIterator]: fail })],
    ['a Blob', () => new Blob(['x'])],
    ['nothing', () => undefined],
    ['a number', () => 5],
  ];

  it.each(sources)('is an error and leaves no file: %s', async (_what, make) => {
    const { client, at } = await startOver('a unix socket');
    const code = expect.stringMatching(/^ERR_(LOCAL_FILE|USAGE)$/);
    for (const send of [
      (source: AsyncIterable<Uint8Array>) => client.put(source, 'f', 0o644),
      (source: AsyncIterable<Uint8Array>) => client.files.put(source, 'f', { mode: 0o644 }),
      (source: AsyncIterable<Uint8Array>) => client.putTar(source, 'd'),
    ]) {
      const source = (await make()) as AsyncIterable<Uint8Array>;
      await expect(send(source)).rejects.toMatchObject({ code });
    }
    expect(existsSync(at('f'))).toBe(false);
  });
});

it('an output that fails and is closed only later does no harm', async () => {
  const { client } = await startOver('a unix socket');
  for (const [, write] of writers) {
    const output = new Writable({
      write: (_chunk, _encoding, done) => void setImmediate(done, new Error('full')),
      destroy: (error, done) => void setTimeout(done, 30, error),
    });
    const closed = new Promise((resolve) => output.once('close', resolve));
    await expect(write(client, () => output)).rejects.toThrow('full');
    await closed;
    expect(output.listenerCount('error')).toBe(0);
  }
});

describe('the mode given to a client', () => {
  it.each([
    [0o644, 0o644],
    [0o100755, 0o755],
    [0o104755, 0o755],
    [0, 0],
  ])('may have the form of fs.stat: %o', async (mode, written) => {
    const { client, at } = await startOver('a unix socket');
    await client.put('x', 'a', mode);
    await client.files.put(Readable.from([Buffer.from('x')]), 'b', { mode });
    for (const name of ['a', 'b']) expect(statSync(at(name)).mode & 0o7777).toBe(written);
  });

  it.each([0o040755, -1, 0.5, Number.NaN, Infinity])('must be that of a file: %d', async (mode) => {
    const { client } = await startOver('a unix socket');
    await expect(client.put('x', 'a', mode)).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(
      client.files.put(Readable.from([Buffer.from('x')]), 'b', { mode }),
    ).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });
});
