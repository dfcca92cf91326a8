import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { progressLine, showProgress } from '../../../src/cli/terminal/progress.ts';
import { until } from '../../helpers/processes.ts';

test.each([
  [{ bytes: 0 }, undefined, '0 B'],
  [{ bytes: 1_250_000, files: 1 }, 2e6, '1.25 MB, 1 file, 2.00 MB/s'],
  [
    { bytes: 5e6, files: 812, totalBytes: 2e7 },
    5e6,
    '5.00 MB of 20.0 MB, 812 files, 5.00 MB/s, 0:03 left',
  ],
  [{ bytes: 0, totalBytes: 1e9 }, 1e6, '0 B of 1.00 GB, 1.00 MB/s, 16:40 left'],
  [{ bytes: 1, totalBytes: 1e10 }, 1e6, '1 B of 10.0 GB, 1.00 MB/s, 2:46:40 left'],
  [{ bytes: 9, totalBytes: 9 }, 3, '9 B of 9 B, 3 B/s'],
  [{ bytes: 5, totalBytes: 9 }, 0, '5 B of 9 B, 0 B/s'],
])('the progress %o at %s is shown as %s', (passed, rate, line) => {
  expect(progressLine(passed, rate)).toBe(line);
});

test('a long transfer has a line that is rewritten and cleared, a short one has none', async () => {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text) };
  const stopShort = showProgress(stream, { bytes: 1 });
  await sleep(150);
  stopShort();
  expect(written).toEqual([]);
  let bytes = 0;
  const stop = showProgress(stream, {
    get bytes() {
      return bytes++;
    },
  });
  await until(() => written.length > 2);
  stop();
  expect(written.at(-1)).toBe('\r\u001B[K');
  for (const text of written.slice(0, -1)) expect(text.slice(4)).toMatch(/^\d+ B, \d+ B\/s$/);
});
