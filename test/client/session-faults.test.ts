// Sessions through a relay that cuts, ends, stalls, splits and corrupts: every byte once, or an error, never less.

import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import type { SessionResult } from '../../src/client/runs/session-options.ts';
import { isGomoteError } from '../../src/errors.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { Collector } from '../helpers/collect.ts';
import { times } from '../helpers/counts.ts';
import { type Cutter, type Fault, startCutter } from '../helpers/cutter.ts';
import { random } from '../helpers/random.ts';

const runs = times(25, 500);

/** Sides hear from each other often, so that a stalled connection is soon found out. */
const pingMs = 150;

const kinds = ['drop', 'drop', 'end', 'split', 'stall'] as const;

async function startBoth() {
  const buildlet = await startBuildlet({
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    sessions: { pingMs },
  });
  const cutter = await startCutter(buildlet.address);
  return { buildlet, cutter };
}

/** Counts on both streams, some of it slowly, and ends with the status. */
const counting = (lines: number, status: number): string =>
  `seq 1 ${lines} >&2 & seq 1 ${lines / 2}; sleep 0.0${random(9)}; seq ${lines / 2 + 1} ${lines}; wait; exit ${status}`;

const numbers = (lines: number): string =>
  Array.from({ length: lines }, (_, i) => `${i + 1}\n`).join('');

/** Faults on most connections, at places that a run of this size gets to. */
function planFaults(cutter: Cutter, sizeBytes: number): string[] {
  const planned: string[] = [];
  cutter.plan = () => {
    if (random(4) === 0) return undefined;
    const direction = random(5) === 0 ? 'up' : 'down';
    const kind = kinds[random(kinds.length)] ?? 'drop';
    const afterBytes = random(direction === 'up' ? 600 : sizeBytes);
    planned.push(`${kind} ${direction} after ${afterBytes}`);
    return { kind, direction, afterBytes } satisfies Fault;
  };
  return planned;
}

/** Keeps copies, as one must of what is lent; at times it is slow. */
class CopyingCollector extends Collector {
  override _write(chunk: Buffer, encoding: BufferEncoding, done: () => void): void {
    const write = () => super._write(Buffer.from(chunk), encoding, done);
    if (random(4) === 0) setTimeout(write, random(5));
    else write();
  }
}

/** Runs it by a client that may be left for another in the middle. */
async function runThrough(
  address: string,
  lines: number,
  status: number,
  sharesFiles: boolean,
): Promise<SessionResult & { stdout: string; stderr: string }> {
  const id = `run-${random(2 ** 40)}`;
  const args = ['-c', counting(lines, status)];
  let isFirst = true;
  for (let tries = 0; tries < 100; tries++) {
    const [stdout, stderr] = [new CopyingCollector(), new CopyingCollector()];
    const client = new BuildletClient(address, undefined, {
      sharedDirectory: sharesFiles ? tmpdir() : undefined,
    });
    const leave = new AbortController();
    const options = { pingMs, reconnectMs: 20_000 };
    try {
      if (isFirst && random(4) === 0) setTimeout(() => leave.abort(), random(60));
      const request = { id, cmd: 'sh', args, systemLevel: true };
      const session = isFirst
        ? await client.sessions.start(request, { ...options, signal: leave.signal })
        : client.sessions.get(id, options);
      const mayReuseBuffer = random(2) === 0;
      const result = await session!.read({ stdout, stderr, mayReuseBuffer, signal: leave.signal });
      return { ...result, stdout: stdout.text, stderr: stderr.text };
    } catch (error) {
      // One that was left before it had begun is not there to be picked up: it is begun again.
      isFirst = isGomoteError(error, 'ERR_UNKNOWN_SESSION');
      if (!isFirst && !leave.signal.aborted) throw error;
    } finally {
      await client.disconnect();
    }
  }
  throw new Error('it never got through');
}

describe('a session over a bad connection', () => {
  it(`gives every byte once, in order, and the right status, ${runs} times`, async () => {
    const { cutter } = await startBoth();
    const one = async () => {
      // What is named has to be long; then most faults come in what is sent first.
      const sharesFiles = random(3) === 0;
      const lines = 2 * (1 + random(sharesFiles ? 150_000 : 8_000));
      const status = random(256);
      const planned = planFaults(cutter, lines * 12);
      const result = await runThrough(cutter.address, lines, status, sharesFiles).catch((error) => {
        throw new Error(`${error.message} (faults: ${planned.join(', ')})`, { cause: error });
      });
      expect(result.stdout === numbers(lines), `stdout; ${planned.join(', ')}`).toBe(true);
      expect(result.stderr === numbers(lines), `stderr; ${planned.join(', ')}`).toBe(true);
      expect(result).toMatchObject({ isWhole: true, end: { code: status, why: 'exit' } });
    };
    for (let i = 0; i < runs; i++) await one();
  });

  it('whose bytes are damaged on the way is complete or an error', async () => {
    const { buildlet, cutter } = await startBoth();
    let failures = 0;
    for (let i = 0; i < runs; i++) {
      cutter.plan = () => ({ kind: 'corrupt', direction: 'down', afterBytes: random(9_000) });
      const lines = 1_000;
      const status = random(256);
      const client = new BuildletClient(cutter.address);
      const [stdout, stderr] = [new Collector(), new Collector()];
      const args = ['-c', counting(lines, status)];
      try {
        const session = await client.sessions.start(
          { cmd: 'sh', args, systemLevel: true },
          { pingMs, reconnectMs: 2_000 },
        );
        const result = await session!.read({ stdout, stderr });
        expect(stdout.text === numbers(lines) && stderr.text === numbers(lines)).toBe(true);
        expect(result).toMatchObject({ isWhole: true, end: { code: status } });
      } catch (error) {
        if (!isGomoteError(error)) throw error;
        failures++;
      } finally {
        await client.disconnect();
      }
    }
    expect(failures).toBeGreaterThan(0);
    await buildlet.close();
  });
});
