// A time keeps its millisecond on the way to a file, whichever precision this Node passes on.
import { statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { exactTime } from '../../src/files/exact-time.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const times = [0, 1, 999, 1_000, 1_234_567_890_000, 1_700_000_000_123, 1_700_000_000_999, -1];

it.each(times)('an exact time of %d ms is kept', (mtimeMs) => {
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, '');
  const time = exactTime(mtimeMs);
  utimesSync(file, time, time);
  const { mtimeNs } = statSync(file, { bigint: true });
  const beyondNs = Number(mtimeNs - BigInt(mtimeMs) * 1_000_000n);
  expect(beyondNs).toBeGreaterThanOrEqual(0);
  expect(beyondNs).toBeLessThan(mtimeMs % 1_000 === 0 ? 1 : 2_000);
});
