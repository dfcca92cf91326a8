// The part of a log that is in memory, against all of it in one buffer.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LogTail } from '../../../src/buildlet/runs/log-tail.ts';
import { recordHeader } from '../../../src/protocol/log-records.ts';
import { times } from '../../helpers/counts.ts';

type Step =
  | { kind: 'out' | 'err'; size: number }
  | { kind: 'read'; place: number }
  | { kind: 'write' | 'trim' };

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('out', 'err'), size: fc.nat(300_000) }),
  fc.record({ kind: fc.constantFrom('out', 'err'), size: fc.nat(20) }),
  fc.record({ kind: fc.constant('read'), place: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ kind: fc.constantFrom('write', 'trim') }),
);

it('a log tail returns and writes exactly its input for random reads, writes and drops', () => {
  fc.assert(
    fc.property(
      fc.array(steps, { minLength: 20, maxLength: 80 }),
      fc.integer({ min: 1, max: 2 << 20 }),
      check,
    ),
    { numRuns: times(30, 100) },
  );
});

function check(sequence: Step[], limitBytes: number): void {
  const tail = new LogTail(limitBytes);
  const starts = [0];
  const sums = { out: 0, err: 0 };
  let whole = Buffer.alloc(0);
  let onDisk = Buffer.alloc(0);
  const read: { part: Buffer; at: number }[] = [];
  let fill = 0;
  for (const step of sequence) {
    if (step.kind === 'out' || step.kind === 'err') {
      const payload = Buffer.alloc(step.size, ++fill);
      const header = recordHeader(step.kind, sums[step.kind], step.size);
      whole = Buffer.concat([whole, Buffer.from(header), payload]);
      sums[step.kind] += step.size;
      starts.push(whole.length);
      tail.append(step.kind, payload);
      payload.fill(0);
    } else if (step.kind === 'read') {
      const kept = starts.filter((at) => at >= tail.start.at);
      const at = kept[Math.floor(step.place * (kept.length - 1))] ?? 0;
      const part = tail.read(at);
      expect(part === undefined).toBe(at === whole.length);
      if (part === undefined) continue;
      expect(starts).toContain(at + part.length);
      read.push({ part, at });
      const inside = at + Math.floor(step.place * (part.length - 1));
      const start = starts.filter((one) => one <= inside).at(-1);
      expect(tail.startOfRecord(inside)).toBe(start);
    } else {
      const part = tail.unwritten(100_000);
      expect(part === undefined).toBe(onDisk.length === whole.length);
      if (part === undefined) continue;
      expect(part.start.at).toBe(onDisk.length);
      onDisk = Buffer.concat([onDisk, ...part.buffers]);
      expect(part.end.at).toBe(onDisk.length);
      tail.wrote(part.end, step.kind === 'trim' ? part.end.at - 1 : part.end.at - 50_000);
    }
  }
  for (const { part, at } of read)
    expect(part.equals(whole.subarray(at, at + part.length))).toBe(true);
  expect(onDisk.equals(whole.subarray(0, onDisk.length))).toBe(true);
  expect(tail.end).toEqual({ at: whole.length, stdout: sums.out, stderr: sums.err });
}
