// Times that a caller gives to the library: any length is taken, 0 and Infinity mean what they say, the rest is refused.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startPod } from '../../src/backends/start-pod.ts';
import { startNewVM } from '../../src/backends/virtual-machines.ts';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { decodeSessionForm, encodeSessionForm } from '../../src/protocol/session.ts';
import { tokenBucket } from '../../src/rate-limit.ts';
import { longTimer } from '../../src/timeout-signal.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { Collector } from '../helpers/collect.ts';
import { serveHttp } from '../helpers/http-server.ts';

const days30 = 30 * 24 * 3_600_000;

/** Times that are not over while a test runs. */
const long = [0, Infinity, days30, 2 ** 31, Number.MAX_SAFE_INTEGER, Number.MAX_VALUE];

const none = [-1, Number.NaN, -Infinity, '5' as unknown as number];

const usage = { code: 'ERR_USAGE' };

describe('a time limit', () => {
  it.each([undefined, ...long])(
    'of %d ms does not end a command that ends sooner',
    async (timeoutMs) => {
      const buildlet = await startBuildlet();
      const client = clientOf(buildlet);
      const args = ['-c', 'sleep 0.05; exit 3'];
      const options = { systemLevel: true, timeoutMs };
      expect((await client.exec('sh', { ...options, args })).exitCode).toBe(3);
      const request = { ...options, cmd: 'sh', args, idleTimeoutMs: timeoutMs };
      const session = await client.sessions.start(request);
      expect((await session?.read())?.end).toMatchObject({ why: 'exit', code: 3 });
      expect(client.isBroken).toBe(false);
    },
  );

  it.each(none)('of %j ms is ERR_USAGE', async (ms) => {
    const client = clientOf(await startBuildlet());
    const { sessions } = client;
    const cmd = 'true';
    for (const call of [
      client.exec(cmd, { timeoutMs: ms }),
      sessions.start({ cmd, timeoutMs: ms }),
      sessions.start({ cmd, idleTimeoutMs: ms }),
      sessions.start({ cmd, killAfterMs: ms }),
      sessions.start({ cmd, graceMs: ms }),
      sessions.start({ cmd }, { pingMs: ms }),
      sessions.start({ cmd }, { reconnectMs: ms }),
      sessions.get('x').kill('TERM', { killAfterMs: ms }),
    ]) {
      await expect(call).rejects.toMatchObject(usage);
    }
    expect(client.isBroken).toBe(false);
    expect(await sessions.list()).toEqual([]);
    const options = { heartbeatIntervalMs: ms };
    expect(() => new BuildletClient('unix:/x', undefined, options)).toThrow(
      expect.objectContaining(usage),
    );
    const coordinator = new CoordinatorClient({
      auth: { username: 'user-me', password: 'x' },
      instance: 'http://127.0.0.1:1',
    });
    await expect(coordinator.createBuildlet('linux', { retryMs: ms })).rejects.toMatchObject(usage);
    await expect(coordinator.extend('n', ms)).rejects.toMatchObject(usage);
    await coordinator.disconnect();
  });

  it('that never ends has not expired', async () => {
    let isOver = false;
    const timers = [Infinity, 2 ** 31, 1e15].map((delayMs) =>
      longTimer(() => {
        isOver = true;
      }, delayMs),
    );
    await new Promise<void>((resolve) => void longTimer(resolve, 5));
    for (const timer of timers) timer.clear();
    expect(isOver).toBe(false);
  });

  it.each(long)('of %d ms for the header of a reply lets the reply arrive', async (ms) => {
    const address = await serveHttp((_request, response) => {
      setTimeout(() => response.end('late'), 30);
    });
    const client = new BuildletClient(address);
    onTestFinished(() => client.disconnect());
    const request = { method: 'GET', path: '/workdir', headersTimeoutMs: ms } as const;
    expect(await (await client.proxyRequest(request)).body.text()).toBe('late');
  });
});

it.each(long)('heartbeats %d ms apart do not overlap', async (heartbeatIntervalMs) => {
  let requests = 0;
  const onRequest = () => void requests++;
  const client = clientOf(await startBuildlet(), '', { heartbeatIntervalMs, onRequest });
  for (let n = 0; n < 20; n++) await client.workDir();
  expect(requests).toBe(20);
  expect(client.isBroken).toBe(false);
});

it.each(long)('a run with pings %d ms apart is read', async (pingMs) => {
  let requests = 0;
  const client = clientOf(await startBuildlet(), '', { onRequest: () => void requests++ });
  const request = { cmd: 'sleep', args: ['0.1'], systemLevel: true };
  const session = await client.sessions.start(request, { pingMs });
  expect((await session?.read())?.end).toMatchObject({ why: 'exit', code: 0 });
  expect(requests).toBe(1);
});

describe('the time from a signal to KILL', () => {
  it.each(long.slice(1))('may be as long as %d ms', async (killAfterMs) => {
    const client = clientOf(await startBuildlet());
    const stdout = new Collector();
    const args = ['-c', 'trap "" TERM; echo ready; read line; exit 3'];
    const request = { cmd: 'sh', args, systemLevel: true, stdin: true };
    const session = await client.sessions.start(request);
    const reading = session?.read({ stdout });
    while (!stdout.text.includes('ready')) await once(stdout, 'chunk');
    await session?.kill('SIGTERM', { killAfterMs });
    const line = async function* () {
      yield Buffer.from('go on\n');
    };
    await session?.sendInput(line());
    expect((await reading)?.end).toMatchObject({ why: 'exit', code: 3 });
  });

  it.each([0, 0.5])('may be as short as %d ms', async (killAfterMs) => {
    const client = clientOf(await startBuildlet());
    const stdout = new Collector();
    const args = ['-c', 'trap "" TERM; echo ready; while :; do sleep 0.02; done'];
    const session = await client.sessions.start({ cmd: 'sh', args, systemLevel: true });
    const reading = session?.read({ stdout });
    while (!stdout.text.includes('ready')) await once(stdout, 'chunk');
    await session?.kill('SIGTERM', { killAfterMs });
    expect((await reading)?.end.signal).toMatch(/^SIG(KILL|TERM)$/);
  });
});

it('infinite times are not shortened on the wire', () => {
  const request = { cmd: 'x', systemLevel: false, dir: '', args: [], env: [], debug: false };
  const form = encodeSessionForm({ ...request, killAfterMs: Infinity, graceMs: 0.5 });
  expect(decodeSessionForm(form)).toMatchObject({
    killAfterMs: Number.MAX_SAFE_INTEGER,
    graceMs: 1,
  });
});

describe('a token bucket', () => {
  it.each([1e-9, 1e-300])(
    'of %d calls a second lets none through for a while',
    async (perSecond) => {
      const leave = new AbortController();
      let isThrough = false;
      const gate = tokenBucket({ perSecond, burst: 0 });
      const waiting = Promise.resolve(gate(leave.signal)).then(() => {
        isThrough = true;
      });
      await sleep(5);
      expect(isThrough).toBe(false);
      leave.abort();
      await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    },
  );

  it.each([
    { perSecond: 0 },
    { perSecond: -1 },
    { perSecond: Number.NaN },
    { perSecond: 1, burst: -1 },
    { perSecond: 1, burst: Number.NaN },
  ])('of %j is ERR_USAGE', (options) => {
    expect(() => tokenBucket(options)).toThrow(expect.objectContaining(usage));
  });

  it('of any number of calls lets every call through', async () => {
    const gate = tokenBucket({ perSecond: Infinity });
    for (let n = 0; n < 100; n++) await gate();
    const aborted = gate(AbortSignal.abort());
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

it.each(none)('machine options refuse a time of %j ms', async (ms) => {
  const config = {} as Parameters<typeof startPod>[0];
  const host = { name: 'h', kubernetes: { image: 'i' }, gce: { image: 'i' } };
  const type = host as unknown as Parameters<typeof startPod>[2];
  for (const option of ['deleteInMs', 'startTimeoutMs', 'scheduleTimeoutMs']) {
    const options = { projectId: 'p', imageRegistry: 'r', [option]: ms };
    await expect(startPod(config, 'pod', type, options)).rejects.toMatchObject(usage);
  }
  for (const option of ['deleteInMs', 'probeTimeoutMs']) {
    const options = { projectId: 'p', zone: 'z', endpoint: 'http://127.0.0.1:1', [option]: ms };
    await expect(startNewVM(undefined, 'vm', type, options)).rejects.toMatchObject(usage);
  }
});
