// What commands use, as the kernel tells it of real processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { UsageMeter } from '../../../src/buildlet/command/usage-meter.ts';

const node = (script: string) => spawn(process.execPath, ['-e', script], { detached: true });

/** Uses this much CPU time. */
const burn = (ms: number) =>
  `const end = process.cpuUsage().user + ${ms} * 1000; while (process.cpuUsage().user < end);`;

const isLinux = process.platform === 'linux';

/** How long a process lives whose memory is sampled: on a busy machine samples are far apart. */
const sampledMs = 5_000;

async function measured(meter: UsageMeter, child: ReturnType<typeof spawn>) {
  const usage = meter.watch(child.pid);
  await once(child, 'exit');
  return await usage();
}

describe.runIf(isLinux)('the usage of a command', () => {
  it('is its CPU time, with that of the processes that it waited for', async () => {
    const script = `require('child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(burn(300))}]); ${burn(300)}`;
    const usage = await measured(new UsageMeter(), node(script));
    expect(usage?.cpuMs).toBeGreaterThanOrEqual(580);
  });

  it('is the maximum of its memory, also when it has less at the end', {
    timeout: 30_000,
  }, async () => {
    const script = `let b = Buffer.alloc(200e6, 1); setTimeout(() => { b = undefined; }, 1500); setTimeout(() => {}, ${sampledMs});`;
    const usage = await measured(new UsageMeter(), node(script));
    expect(usage).toMatchObject({ memoryBy: 'sampled' });
    expect(usage?.peakMemoryBytes).toBeGreaterThan(200e6);
  });

  it('adds up the memory of processes that run at the same time', { timeout: 30_000 }, async () => {
    const hold = JSON.stringify(
      `const b = Buffer.alloc(100e6, 1); setTimeout(() => b.length, ${sampledMs});`,
    );
    const script = `for (let i = 0; i < 3; i++) require('child_process').spawn(process.execPath, ['-e', ${hold}]);`;
    const usage = await measured(new UsageMeter(), node(script));
    expect(usage?.peakMemoryBytes).toBeGreaterThan(300e6);
  });

  it('is separate from that of other commands, even when they end together', async () => {
    const meter = new UsageMeter();
    const busy = node(`${burn(400)}`);
    const idle = spawn('sleep', ['1'], { detached: true });
    const [much, little] = await Promise.all([measured(meter, busy), measured(meter, idle)]);
    expect(much?.cpuMs).toBeGreaterThanOrEqual(380);
    expect(little?.cpuMs).toBeLessThan(300);
    const last = await measured(meter, spawn('true', { detached: true }));
    expect(last?.cpuMs).toBeLessThan(300);
  });

  it('is unknown where there is no /proc', async () => {
    expect(
      await measured(new UsageMeter('/nowhere'), spawn('true', { detached: true })),
    ).toBeUndefined();
  });
});
