// A link cut, stalled or spoiled at any byte: never a wrong byte, never a success that is none, and it comes back.

import { createHash, randomBytes } from 'node:crypto';
import { expect, it, vi } from 'vitest';
import { GomoteError } from '../../src/errors.ts';
import type { CallingLink } from '../../src/reverse/reverse-link.ts';
import { Collector } from '../helpers/collect.ts';
import { times } from '../helpers/counts.ts';
import { type Fault, startCutter } from '../helpers/cutter.ts';
import { until } from '../helpers/processes.ts';
import { random } from '../helpers/random.ts';
import { clientOver, dialling, startReverseServer } from '../helpers/reverse.ts';

// Many connections, one after another: a while on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const sizeBytes = 1 << 20;
const heartbeatMs = 100;
const kinds: Fault['kind'][] = ['drop', 'end', 'stall', 'split'];

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Sends a file there and reads it back; whether it came whole, or why not. */
async function roundTrip(link: CallingLink): Promise<'whole' | GomoteError> {
  const client = clientOver(link);
  const bytes = randomBytes(sizeBytes);
  const output = new Collector();
  try {
    await client.put(bytes, 'file', 0o600);
    await client.exec('cat', { systemLevel: true, args: ['file'], output });
  } catch (error) {
    if (error instanceof GomoteError) return error;
    throw error;
  } finally {
    await client.disconnect();
  }
  expect(sha256(output.bytes)).toBe(sha256(bytes));
  return 'whole';
}

it('a reverse connection reports every lost byte, wherever it breaks, and reconnects', async () => {
  const server = await startReverseServer({ heartbeatMs });
  const cutter = await startCutter(server.address);
  const arrival = server.next();
  const buildlet = await dialling(`http://${cutter.address}`, { heartbeatMs });
  const linkAfter = async (last: CallingLink): Promise<CallingLink> => {
    await until(() => server.links.at(-1)?.link !== last);
    return server.links.at(-1)!.link;
  };
  let link = await arrival;
  let broken = 0;
  for (let round = 0; round < times(16, 200); round++) {
    const direction = round % 2 === 0 ? 'up' : 'down';
    const kind = kinds[Math.floor(round / 2) % kinds.length] ?? 'drop';
    const afterBytes = random(sizeBytes * 1.2);
    const next = cutter.connections;
    cutter.plan = (connection) =>
      connection === next ? { kind, direction, afterBytes } : undefined;
    link.end('another, please');
    link = await linkAfter(link);
    // On a busy machine, heartbeats may also give up the connection that comes after.
    for (;;) {
      const outcome = await roundTrip(link);
      if (outcome === 'whole') break;
      broken++;
      // Whole, so that what the buildlet said is seen.
      if (!['ERR_LOST', 'ERR_CONNECT'].includes(outcome.code)) throw outcome;
      expect(outcome.message).toMatch(/connection|heartbeats|was cut/);
      link = await linkAfter(link);
    }
  }
  expect(broken).toBeGreaterThan(0);
  expect(buildlet.log).toEqual([]);
});
