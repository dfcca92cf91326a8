// Long output to a client that shares its files with the buildlet: read out of the log's files, each byte proved.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AgentOptions } from '../../src/buildlet/agent.ts';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import type { SessionReadOptions } from '../../src/client/runs/session-options.ts';
import type { StartSession } from '../../src/client/runs/sessions.ts';
import { fileIdentity } from '../../src/files/file-identity.ts';
import { formatRecord, recordHeader } from '../../src/protocol/log-records.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { Collector } from '../helpers/collect.ts';
import { startCutter } from '../helpers/cutter.ts';
import { until } from '../helpers/processes.ts';
import { serveRaw } from '../helpers/raw-server.ts';
import { standstill } from '../helpers/standstill.ts';

/** A buildlet, a way to it that counts, and a client that shares its files. */
async function startSharing(options: Partial<AgentOptions> = {}) {
  const buildlet = await startBuildlet(options);
  const cutter = await startCutter(buildlet.address);
  return { buildlet, cutter, client: sharing(cutter.address) };
}

function sharing(address: string): BuildletClient {
  const client = new BuildletClient(address, undefined, { sharedDirectory: tmpdir() });
  onTestFinished(() => client.disconnect());
  return client;
}

async function start(client: BuildletClient, script: string, request: Partial<StartSession> = {}) {
  const session = await client.sessions.start({
    cmd: 'sh',
    args: ['-c', script],
    systemLevel: true,
    ...request,
  });
  return session!;
}

/** Digests what it gets; it may be slow, and keeps nothing. */
class Digester extends Writable {
  readonly #hash = createHash('sha256');
  readonly #delayMs: number;
  sizeBytes = 0;

  constructor(delayMs = 0) {
    super();
    this.#delayMs = delayMs;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const take = () => {
      this.#hash.update(chunk);
      this.sizeBytes += chunk.length;
      this.emit('chunk');
      done();
    };
    if (this.#delayMs > 0) setTimeout(take, this.#delayMs);
    else take();
  }

  get sha256(): string {
    return this.#hash.digest('hex');
  }
}

const numbers = (last: number): string =>
  Array.from({ length: last }, (_, i) => `${i + 1}\n`).join('');

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('long output on one machine', () => {
  it.each([false, true])(
    'is complete, and hardly anything of it is sent (lent: %s)',
    async (mayReuseBuffer) => {
      const { client, cutter } = await startSharing();
      const session = await start(client, 'seq 1 1500000; exit 3');
      const stdout = new Digester();
      const result = await session.read({ stdout, mayReuseBuffer });
      expect(result).toMatchObject({ isWhole: true, end: { code: 3 } });
      expect(stdout.sizeBytes).toBeGreaterThan(10e6);
      expect(stdout.sha256).toBe(sha256(numbers(1_500_000)));
      expect(cutter.downBytes).toBeLessThan(6e6);
    },
  );

  it('arrives on both streams, and can be read again from any place', async () => {
    const { client } = await startSharing();
    const session = await start(client, 'seq 1 700000 >&2 & seq 1 700000; wait');
    const [stdout, stderr] = [new Collector(), new Collector()];
    expect(await session.read({ stdout, stderr })).toMatchObject({ isWhole: true });
    expect(stdout.text === numbers(700_000)).toBe(true);
    expect(stderr.text === numbers(700_000)).toBe(true);
    const [info] = await client.sessions.list();
    for (const from of [1, 3e6, info!.logBytes - 2e6, info!.logBytes - 100]) {
      const [out, err] = [new Collector(), new Collector()];
      await session.read({ from, stdout: out, stderr: err });
      expect(stdout.text.endsWith(out.text)).toBe(true);
      expect(stderr.text.endsWith(err.text)).toBe(true);
      expect(out.bytes.length + err.bytes.length).toBeLessThan(info!.logBytes - from + 200_000);
    }
  });

  it('arrives at many readers at once', async () => {
    const { client } = await startSharing();
    const session = await start(client, 'seq 1 2000000', { detach: true });
    const wanted = sha256(numbers(2_000_000));
    const read = async (delayMs: number) => {
      const stdout = new Digester(delayMs);
      expect(await session.read({ stdout })).toMatchObject({ isWhole: true });
      expect(stdout.sha256).toBe(wanted);
    };
    await Promise.all([read(0), read(0), read(1)]);
  });

  it('continues at the same place when the connection is cut', async () => {
    const { client, cutter } = await startSharing();
    const session = await start(client, 'seq 1 1500000');
    const stdout = new Digester();
    let nextCutBytes = 3e6;
    stdout.on('chunk', () => {
      if (stdout.sizeBytes < nextCutBytes) return;
      nextCutBytes += 4e6;
      cutter.drop();
    });
    const lost: string[] = [];
    const result = await session.read({ stdout, onLost: ({ message }) => lost.push(message) });
    expect(result).toMatchObject({ isWhole: true, lostBytes: 0 });
    expect(stdout.sha256).toBe(sha256(numbers(1_500_000)));
    expect(lost.length).toBeGreaterThan(1);
  });

  it('has a gap where it was dropped before it could be read', async () => {
    const { client } = await startSharing({ sessions: { quotaBytes: 8 << 20 } });
    const session = await start(client, 'head -c 40000000 /dev/zero', { detach: true });
    await until(async () => (await client.sessions.list())[0]?.running === false);
    const stdout = new Digester();
    const result = await session.read({ stdout });
    expect(result.isWhole).toBe(false);
    expect(result.lostBytes).toBeGreaterThan(20e6);
    expect(result.lostBytes + stdout.sizeBytes).toBe(40e6);
  });

  it('slows the command when its reader is slow', async () => {
    const { buildlet, client } = await startSharing();
    const counter = join(buildlet.workDir, 'counter');
    const script = `i=0; while :; do head -c 1048576 /dev/zero; i=$((i+1)); echo $i > ${counter}; done`;
    const session = await start(client, script);
    // Takes so much, and then nothing any more.
    let taken = 0;
    const stuck = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        taken += chunk.length;
        if (taken < 8 << 20) done();
      },
    });
    const leave = new AbortController();
    const reading = session.read({ stdout: stuck, signal: leave.signal });
    const last = await standstill(counter, 9);
    expect(last).toBeLessThan(64);
    leave.abort();
    await expect(reading).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('is complete for a slow reader, however small the quota of logs', async () => {
    const { client } = await startSharing({ sessions: { quotaBytes: 8 << 20 } });
    const session = await start(client, 'seq 1 2000000');
    const stdout = new Digester(1);
    const result = await session.read({ stdout });
    expect(result).toMatchObject({ isWhole: true, lostBytes: 0 });
    expect(stdout.sha256).toBe(sha256(numbers(2_000_000)));
  });

  it('stays for a slow reader when others need the space', async () => {
    const { buildlet, client } = await startSharing({ sessions: { quotaBytes: 64 << 20 } });
    const counter = join(buildlet.workDir, 'counter');
    const script = `for i in $(seq 1 60); do seq 1 100000; echo $i > ${counter}; done`;
    const session = await start(client, script);
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const stdout = new Digester();
    const slow = new Writable({
      write: async (chunk: Buffer, encoding, done) => {
        if (stdout.sizeBytes > 4e6) await gate;
        stdout.write(chunk, encoding, done);
      },
    });
    const reading = session.read({ stdout: slow });
    await standstill(counter, 8);
    const other = await start(client, 'head -c 150000000 /dev/zero', { detach: true });
    await until(async () => (await client.sessions.list()).some(({ running }) => !running));
    expect((await other.read({ observe: true })).lostBytes).toBeGreaterThan(50e6);
    goOn();
    expect(await reading).toMatchObject({ isWhole: true, lostBytes: 0 });
    expect(stdout.sha256).toBe(sha256(numbers(100_000).repeat(60)));
  });

  it('that nobody acknowledges does not slow the command when the reader only observes', async () => {
    const { buildlet, client } = await startSharing();
    const done = join(buildlet.workDir, 'done');
    const session = await start(client, `head -c 60000000 /dev/zero; touch ${done}`, {
      detach: true,
    });
    const stuck = new Writable({ highWaterMark: 1, write: () => undefined });
    const leave = new AbortController();
    const reading = session.read({ stdout: stuck, observe: true, signal: leave.signal });
    await until(() => existsSync(done));
    leave.abort();
    await expect(reading).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('ends when its destination ends', async () => {
    const { client } = await startSharing();
    const session = await start(client, 'head -c 60000000 /dev/zero');
    const stdout = new Digester();
    stdout.on('chunk', () => {
      if (stdout.sizeBytes > 10e6) stdout.destroy(new Error('no more room'));
    });
    await expect(session.read({ stdout })).rejects.toThrow('no more room');
  });

  it('is sent to a reader that asks for the command not to run ahead', async () => {
    const { client, cutter } = await startSharing();
    const request = { cmd: 'head', args: ['-c', '9000000', '/dev/zero'], systemLevel: true };
    const session = await client.sessions.start(request, { runAhead: false });
    expect(await session!.read()).toMatchObject({ isWhole: true });
    expect(cutter.downBytes).toBeGreaterThan(9e6);
  });
});

describe('a file that is named', () => {
  const time = '2026-01-01T00:00:00Z';
  const end = JSON.stringify({
    code: 0,
    signal: null,
    why: 'exit',
    state: 'ok',
    started: time,
    ended: time,
    durationMs: 1,
    stdout: sumOf('hello'),
    stderr: sumOf(''),
  });
  const output = Buffer.concat([Buffer.from(`${recordHeader('out', 0, 5)}hello`)]);
  const log = Buffer.concat([output, formatRecord('end', end)]);

  function sumOf(text: string) {
    return { bytes: text.length, sha256: sha256(text) };
  }

  /** A buildlet that names the file as asked, and sends the log to who does not want names. */
  async function serveNamed(range: { path: string; identity: string; bytes?: number }) {
    const record = formatRecord('file', JSON.stringify({ at: 0, bytes: output.length, ...range }));
    const server = await serveRaw((socket) => {
      const isNamed = server.requests.at(-1)!.includes('named=1');
      const body = isNamed ? Buffer.concat([record, formatRecord('end', end)]) : log;
      const head = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`;
      socket.write(Buffer.concat([Buffer.from(head), body]));
    });
    return server;
  }

  async function read(address: string, options: SessionReadOptions = {}) {
    const stdout = new Collector();
    const result = await sharing(address)
      .sessions.get('x')
      .read({ stdout, ...options });
    return { ...result, stdout: stdout.text };
  }

  function makeFile(content: Buffer): string {
    const directory = mkdtempSync(join(tmpdir(), 'gomote-test-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    writeFileSync(join(directory, 'log'), content);
    return join(directory, 'log');
  }

  it('is read', async () => {
    const path = makeFile(output);
    const server = await serveNamed({ path, identity: fileIdentity(path) });
    expect(await read(server.address)).toMatchObject({ stdout: 'hello', isWhole: true });
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    ['is not there', () => ({ path: `${makeFile(output)}-absent`, identity: '1:2' })],
    ['is another one here', () => ({ path: makeFile(output), identity: '1:2' })],
    [
      'is shorter than was said',
      () => {
        const path = makeFile(output.subarray(0, 3));
        return { path, identity: fileIdentity(path) };
      },
    ],
  ])('%s is requested as content', async (_what, range) => {
    const server = await serveNamed(range());
    const lost: string[] = [];
    const onLost = ({ message }: Error) => lost.push(message);
    expect(await read(server.address, { onLost })).toMatchObject({
      stdout: 'hello',
      isWhole: true,
    });
    expect(server.requests.map((request) => request.includes('named=1'))).toEqual([true, false]);
    expect(lost).toEqual([]);
  });

  it('with other content is detected', async () => {
    const path = makeFile(Buffer.from(output.toString().replace('hello', 'hallo')));
    const server = await serveNamed({ path, identity: fileIdentity(path) });
    await expect(read(server.address)).rejects.toThrow('came damaged');
  });

  describe('is not opened, and the run is lost, when', () => {
    const uid = process.getuid?.();

    /** A file that may be named, and what a hostile buildlet says in its place. */
    const cases: readonly (readonly [what: string, range: () => object])[] = [
      ['it is not below the directory of the buildlet', () => ({ path: '/etc/passwd' })],
      ['its path climbs out', () => ({ path: `${tmpdir()}/x/../../etc/passwd` })],
      ['its path is relative', () => ({ path: 'log' })],
      ['its path has a NUL', () => ({ path: `${tmpdir()}/a\0b` })],
      ['it is the directory', () => ({ path: tmpdir() })],
      [
        'it is a link',
        () => {
          const path = `${makeFile(output)}-link`;
          symlinkSync('/etc/passwd', path);
          return { path };
        },
      ],
      [
        'a link is on the way to it',
        () => {
          const directory = `${makeFile(output)}-link`;
          symlinkSync('/etc', directory);
          return { path: join(directory, 'passwd') };
        },
      ],
      ['it is a directory', () => ({ path: dirname(makeFile(output)) })],
      [
        'it is a pipe',
        () => {
          const path = `${makeFile(output)}-pipe`;
          execFileSync('mkfifo', [path]);
          return { path };
        },
      ],
      ['where it lies is no place', () => ({ path: makeFile(output), at: -1 })],
      ['where it lies is a fraction', () => ({ path: makeFile(output), at: 0.5 })],
      ['its length is none', () => ({ path: makeFile(output), bytes: '5' })],
      ['its length is too large', () => ({ path: makeFile(output), bytes: 1e300 })],
      ['its path is none', () => ({ path: 5 })],
    ];

    async function expectRefused(range: object, sharedDirectory?: string): Promise<void> {
      const { path } = range as { path: string };
      let identity = '1:2';
      try {
        identity = fileIdentity(path);
      } catch {
        // It is none that could be opened.
      }
      const record = formatRecord('file', JSON.stringify({ identity, at: 0, bytes: 5, ...range }));
      const server = await serveRaw((socket) => {
        const body = Buffer.concat([record, formatRecord('end', end)]);
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
        socket.write(body);
      });
      const client = new BuildletClient(server.address, undefined, { sharedDirectory });
      onTestFinished(() => client.disconnect());
      const stdout = new Collector();
      await expect(client.sessions.get('x').read({ stdout })).rejects.toMatchObject({
        code: 'ERR_REPLY',
      });
      expect(stdout.text).toBe('');
      expect(server.requests.length).toBeLessThan(3);
    }

    it.each(cases)('%s', async (_what, range) => {
      // Links and other kinds are made here: their directory is no link itself.
      await expectRefused(range(), tmpdir());
    });

    it.runIf(uid === 0)("it is another user's", async () => {
      const path = makeFile(output);
      chownSync(path, 1, 1);
      await expectRefused({ path }, tmpdir());
    });

    it('nothing was offered to the buildlet', async () => {
      await expectRefused({ path: makeFile(output) });
    });

    it('it names one that is not there again and again', async () => {
      await expectRefused({ path: `${makeFile(output)}-absent` }, tmpdir());
    });
  });
});
