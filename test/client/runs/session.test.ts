import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { StartSession } from '../../../src/client/runs/sessions.ts';
import { buildletFeatures } from '../../../src/protocol/features.ts';
import { clientOf, startBuildlet, type TestBuildlet } from '../../helpers/buildlet.ts';
import { Collector } from '../../helpers/collect.ts';
import { startCutter } from '../../helpers/cutter.ts';
import { processesWith, until } from '../../helpers/processes.ts';
import { standstill, stopOf } from '../../helpers/standstill.ts';

const newMark = (): string => `gomote-session-${randomBytes(6).toString('hex')}`;

async function start(buildlet: TestBuildlet, script: string, request: Partial<StartSession> = {}) {
  const session = await clientOf(buildlet).sessions.start({
    cmd: '/bin/sh',
    args: ['-c', script],
    systemLevel: true,
    ...request,
  });
  return session!;
}

async function run(buildlet: TestBuildlet, script: string, request: Partial<StartSession> = {}) {
  const [stdout, stderr] = [new Collector(), new Collector()];
  const session = await start(buildlet, script, request);
  const result = await session.read({ stdout, stderr });
  return { ...result, stdout: stdout.text, stderr: stderr.text };
}

describe('a session', () => {
  it('keeps stdout and stderr apart, and verifies that both are complete', async () => {
    const buildlet = await startBuildlet();
    const result = await run(buildlet, 'echo out; echo err >&2; exit 3');
    expect(result).toMatchObject({
      stdout: 'out\n',
      stderr: 'err\n',
      isWhole: true,
      end: { code: 3, signal: null, why: 'exit', stdout: { bytes: 4 }, stderr: { bytes: 4 } },
    });
  });

  it('that is merged keeps the order in which both were written', async () => {
    const buildlet = await startBuildlet();
    const script = 'i=0; while [ $i -lt 300 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done';
    const { stdout } = await run(buildlet, script, { merge: true });
    expect(stdout).toBe(Array.from({ length: 300 }, (_, i) => `out ${i}\nerr ${i}\n`).join(''));
  });

  it('gets every byte but NUL in its arguments', async () => {
    const buildlet = await startBuildlet();
    const bytes = Uint8Array.from({ length: 255 }, (_, i) => i + 1);
    const args = [bytes, 'plain', new Uint8Array([0xff, 10, 10]), '', "it's \\0101 $HOME `x`"];
    const stdout = new Collector();
    const session = await clientOf(buildlet).sessions.start({
      cmd: 'printf',
      args: ['%s|', ...args],
      systemLevel: true,
    });
    await session!.read({ stdout });
    const expected = args.flatMap((arg) => [Buffer.from(arg), Buffer.from('|')]);
    expect(stdout.bytes.equals(Buffer.concat(expected))).toBe(true);
  });

  it('is started once, however often it is requested; another command of its id is refused', async () => {
    const buildlet = await startBuildlet();
    const request = { id: 'one', dir: buildlet.workDir };
    const all = await Promise.all([1, 2, 3].map(() => run(buildlet, 'echo x >> ran', request)));
    expect(all.map(({ end }) => end.code)).toEqual([0, 0, 0]);
    expect(readFileSync(join(buildlet.workDir, 'ran'), 'utf8')).toBe('x\n');
    await expect(run(buildlet, 'echo y', request)).rejects.toMatchObject({ status: 409 });
  });

  it('is read from any offset, also when it is over', async () => {
    const buildlet = await startBuildlet();
    const script = 'for i in 1 2 3; do echo $i; read go; done';
    const first = await start(buildlet, script, { id: 'r', stdin: true });
    const output = new Collector();
    // Each line is a record, for it has come before the next is written.
    const goOn = async function* () {
      for (let i = 1; i <= 3; i++) {
        await until(() => output.text.endsWith(`${i}\n`));
        yield Buffer.from('go\n');
      }
    };
    await Promise.all([first.read({ stdout: output }), first.sendInput(goOn())]);
    const [info] = await clientOf(buildlet).sessions.list();
    const session = clientOf(buildlet).sessions.get('r');
    const from = async (offset: number | 'end') => {
      const stdout = new Collector();
      const { isWhole } = await session.read({ stdout, from: offset });
      return [stdout.text, isWhole];
    };
    expect(await from(0)).toEqual(['1\n2\n3\n', true]);
    // A place inside a record is where that record begins.
    expect(await from(15)).toEqual(['2\n3\n', false]);
    expect(await from('end')).toEqual(['', false]);
    expect(await from(info!.logBytes)).toEqual(['', false]);
  });

  it('that is not known is an error', async () => {
    const buildlet = await startBuildlet();
    const session = clientOf(buildlet).sessions.get('none');
    await expect(session.read()).rejects.toMatchObject({ code: 'ERR_UNKNOWN_SESSION' });
    await expect(session.kill('INT')).rejects.toMatchObject({ code: 'ERR_UNKNOWN_SESSION' });
  });

  it('needs one request on one connection', async () => {
    const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
    const requests: string[] = [];
    const buildlet = await startBuildlet({ address });
    const cutter = await startCutter(buildlet.address);
    const onRequest = (line: string) => requests.push(line);
    const client = clientOf({ ...buildlet, address: cutter.address }, '', { onRequest });
    const session = await client.sessions.start({ cmd: 'true', systemLevel: true });
    expect((await session!.read()).end.code).toBe(0);
    expect(cutter.connections).toBe(1);
    expect(requests).toEqual([expect.stringMatching(/^POST \/session\?id=\S+ 200 /)]);
  });

  it('is refused by a buildlet without them, and nothing is started', async () => {
    const features = buildletFeatures.filter((name) => name !== 'session');
    const buildlet = await startBuildlet({ features });
    const client = clientOf(buildlet);
    expect(await client.sessions.start({ cmd: 'true', systemLevel: true })).toBeUndefined();
    await expect(client.sessions.list()).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    const reading = client.sessions.get('x').read();
    await expect(reading).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });
});

describe('the input of a session', () => {
  it('arrives complete, and ends', async () => {
    const buildlet = await startBuildlet();
    const bytes = randomBytes(3 << 20);
    const stdout = new Collector();
    const session = await start(buildlet, 'cat', { stdin: true });
    const sent = session.sendInput(Readable.from([bytes.subarray(0, 7), bytes.subarray(7)]));
    expect((await session.read({ stdout })).isWhole).toBe(true);
    await sent;
    expect(stdout.bytes.equals(bytes)).toBe(true);
  });

  it('waits for the command to read it, and stops when the command reads no more', async () => {
    const buildlet = await startBuildlet();
    let given = 0;
    const endless = new Readable({
      read() {
        given += 65_536;
        this.push(Buffer.alloc(65_536));
      },
    });
    const go = join(buildlet.workDir, 'go');
    const script = `while [ ! -e ${go} ]; do sleep 0.01; done; head -c 5`;
    const session = await start(buildlet, script, { stdin: true });
    const sent = session.sendInput(endless);
    expect(await stopOf(() => given, 1)).toBeLessThan(8 << 20);
    writeFileSync(go, '');
    expect((await session.read()).end).toMatchObject({ code: 0, stdout: { bytes: 5 } });
    await sent;
    endless.destroy();
  });

  it('that is sent again for the same offset arrives once; a hole in it is refused', async () => {
    const buildlet = await startBuildlet();
    const stdout = new Collector();
    const session = await start(buildlet, 'cat', { stdin: true, id: 'in' });
    const client = clientOf(buildlet);
    const post = async (offset: number, body: string, end = '') => {
      const path = `/session/stdin?id=in&offset=${offset}${end}`;
      const reply = await client.proxyRequest({ method: 'POST', path, body });
      return { status: reply.statusCode, text: await reply.body.text() };
    };
    expect(await post(0, 'hello')).toEqual({ status: 200, text: '{"offset":5,"closed":false}' });
    expect(await post(0, 'hello w')).toEqual({ status: 200, text: '{"offset":7,"closed":false}' });
    expect((await post(9, 'x')).status).toBe(409);
    expect((await post(7, 'orld', '&end=1')).status).toBe(200);
    expect((await post(7, 'orld', '&end=1')).status).toBe(200);
    await session.read({ stdout });
    expect(stdout.text).toBe('hello world');
  });

  it('is refused after its end, also while most of it is still on its way', async () => {
    const buildlet = await startBuildlet();
    await start(buildlet, 'exec sleep 1000', { stdin: true, id: 'in' });
    const client = clientOf(buildlet);
    const post = async (query: string, body: string) => {
      const path = `/session/stdin?id=in&${query}`;
      const reply = await client.proxyRequest({ method: 'POST', path, body });
      return [reply.statusCode, await reply.body.text()];
    };
    expect(await post('offset=0&end=1', 'x')).toEqual([200, '{"offset":1,"closed":false}']);
    expect(await post('offset=1', 'x'.repeat(1_000_000))).toEqual([409, 'the input has ended\n']);
  });

  it('survives cuts in the middle', async () => {
    const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
    const buildlet = await startBuildlet({ address });
    const cutter = await startCutter(buildlet.address);
    cutter.plan = (n) =>
      n < 8 ? { kind: 'drop', direction: 'up', afterBytes: 50_000 * (n + 1) } : undefined;
    const bytes = randomBytes(2 << 20);
    const stdout = new Collector();
    const client = clientOf({ ...buildlet, address: cutter.address });
    const session = await client.sessions.start({ cmd: 'cat', systemLevel: true, stdin: true });
    const [result] = await Promise.all([
      session!.read({ stdout }),
      session!.sendInput(Readable.from([bytes])),
    ]);
    expect(cutter.connections).toBeGreaterThan(2);
    expect(result.isWhole && stdout.bytes.equals(bytes)).toBe(true);
  });
});

describe('the end of a session', () => {
  it('is caused by a signal to its whole group', async () => {
    const buildlet = await startBuildlet();
    const mark = newMark();
    const stdout = new Collector();
    const script = `sh -c 'sleep 1000; :' ${mark} & echo ready; wait`;
    const session = await start(buildlet, script);
    const reading = session.read({ stdout });
    await once(stdout, 'chunk');
    await until(() => processesWith(mark).length > 0);
    await session.kill('TERM');
    expect((await reading).end).toMatchObject({ signal: 'SIGTERM', why: 'killed' });
    await until(() => processesWith(mark).length === 0);
    await expect(session.kill('TERM')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  });

  it('is caused by KILL if the command ignores the signal', async () => {
    const buildlet = await startBuildlet();
    const stdout = new Collector();
    const session = await start(buildlet, 'trap "" TERM; echo ready; while :; do sleep 1; done');
    const reading = session.read({ stdout });
    await once(stdout, 'chunk');
    await session.kill('SIGTERM', { killAfterMs: 50 });
    expect((await reading).end).toMatchObject({ signal: 'SIGKILL', why: 'killed' });
  });

  it.each([
    ['timeout', { timeoutMs: 100 }, 'while :; do echo x; sleep 0.01; done'],
    ['idle', { idleTimeoutMs: 100 }, 'echo x; sleep 1000'],
  ] as const)('comes by its limits: %s', async (why, limits, script) => {
    const buildlet = await startBuildlet();
    expect((await run(buildlet, script, limits)).end).toMatchObject({ why, signal: 'SIGTERM' });
  });

  it('comes a grace time after its last reader has disconnected, unless it is detached', async () => {
    const buildlet = await startBuildlet();
    const [mark, kept] = [newMark(), newMark()];
    for (const [id, detach] of [
      [mark, false],
      [kept, true],
    ] as const) {
      const leave = new AbortController();
      const script = 'echo ready; while :; do sleep 1; done';
      const request = { id, args: ['-c', script, id], graceMs: 80 };
      const session = await start(buildlet, script, request);
      const stdout = new Collector();
      const reading = session.read({ stdout, signal: leave.signal });
      await once(stdout, 'chunk');
      if (detach) await session.detach();
      leave.abort();
      await expect(reading).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    }
    const client = clientOf(buildlet);
    const { end } = await client.sessions.get(mark).read({ observe: true });
    expect(end).toMatchObject({ why: 'killed' });
    expect(processesWith(mark)).toEqual([]);
    expect(processesWith(kept)).not.toEqual([]);
    expect(await client.sessions.list()).toMatchObject([{ running: false }, { detached: true }]);
  });

  it('does not come while another reader is there, or one comes back', async () => {
    const buildlet = await startBuildlet();
    const go = join(buildlet.workDir, 'go');
    const script = `echo ready; while [ ! -e ${go} ]; do sleep 0.01; done; echo done`;
    const leave = new AbortController();
    const first = await start(buildlet, script, { id: 'x', graceMs: 300 });
    const seen = new Collector();
    const reading = first.read({ stdout: seen, signal: leave.signal });
    await once(seen, 'chunk');
    leave.abort();
    await expect(reading).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const stdout = new Collector();
    const second = clientOf(buildlet).sessions.get('x').read({ stdout });
    await once(stdout, 'chunk');
    await new Promise((resolve) => setTimeout(resolve, 500));
    writeFileSync(go, '');
    expect((await second).end).toMatchObject({ code: 0, why: 'exit' });
    expect(stdout.text).toBe('ready\ndone\n');
  });

  it('is known of a command that never started', async () => {
    const buildlet = await startBuildlet();
    expect((await run(buildlet, '', { cmd: 'no-such' })).end).toMatchObject({
      why: 'not-started',
      state: 'exec: "no-such": executable file not found in $PATH',
    });
  });
});

describe('the readers of a session', () => {
  it('slow it when they are attached', async () => {
    const buildlet = await startBuildlet();
    const counter = join(buildlet.workDir, 'counter');
    const script = `i=0; while :; do head -c 65536 /dev/zero; i=$((i+1)); echo $i > ${counter}; done`;
    const session = await start(buildlet, script);
    const stuck = new Writable({ highWaterMark: 1, write: () => undefined });
    const leave = new AbortController();
    const reading = session.read({ stdout: stuck, signal: leave.signal });
    const last = await standstill(counter, 1);
    expect(last * 65_536).toBeLessThan(16 << 20);
    leave.abort();
    await expect(reading).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('do not slow it when they have left or only observe', async () => {
    const buildlet = await startBuildlet();
    const done = join(buildlet.workDir, 'done');
    const script = `head -c 30000000 /dev/zero; touch ${done}`;
    const session = await start(buildlet, script, { detach: true });
    const stuck = new Writable({ highWaterMark: 1, write: () => undefined });
    const leave = new AbortController();
    const reading = session.read({ stdout: stuck, observe: true, signal: leave.signal });
    await until(() => existsSync(done));
    leave.abort();
    await expect(reading).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect((await session.read({})).end.stdout.bytes).toBe(30_000_000);
  });

  it('that fall silent are disconnected, and resume where they were', async () => {
    const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
    const pingMs = 200;
    const buildlet = await startBuildlet({ address, sessions: { pingMs } });
    const cutter = await startCutter(buildlet.address);
    const client = clientOf({ ...buildlet, address: cutter.address });
    const go = join(buildlet.workDir, 'go');
    const script = `echo before; while [ ! -e ${go} ]; do sleep 0.01; done; echo after`;
    const session = await client.sessions.start(
      { cmd: 'sh', args: ['-c', script], systemLevel: true },
      { pingMs },
    );
    const lost: string[] = [];
    const stdout = new Collector();
    const onLost = ({ message }: Error) => lost.push(message);
    const reading = session!.read({ stdout, onLost });
    await once(stdout, 'chunk');
    lost.length = 0;
    cutter.stall();
    // Either side may be the first to give it up, in words of its own.
    await until(() => lost.length > 0);
    writeFileSync(go, '');
    expect((await reading).isWhole).toBe(true);
    expect(stdout.text).toBe('before\nafter\n');
  });

  it('stay connected over a silence of many pings', async () => {
    const pingMs = 150;
    const buildlet = await startBuildlet({ sessions: { pingMs } });
    const lost: unknown[] = [];
    const session = await clientOf(buildlet).sessions.start(
      { cmd: 'sleep', args: ['1.4'], systemLevel: true },
      { pingMs },
    );
    const { end } = await session!.read({ onLost: (error) => lost.push(error) });
    expect([end.code, lost]).toEqual([0, []]);
  });
});
