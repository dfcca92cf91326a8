// New files: whole or not there, and no descriptor but their own is closed.
import fs, { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { type NewFileOptions, writeNew } from '../../src/files/write-whole.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** So large that it is still being written when the source goes on. */
const pieceBytes = 4 << 20;

async function* pieces(count: number, end: () => void = () => undefined): AsyncGenerator<Buffer> {
  for (let at = 0; at < count; at++) yield Buffer.alloc(pieceBytes, at);
  end();
}

const broken = (): never => {
  throw new Error('it broke off');
};

const brokenOff = { message: 'it broke off' };

interface Ending {
  readonly end?: () => void;
  readonly options: NewFileOptions;
  readonly error: object;
}

const endings: [string, () => Ending][] = [
  ['a source that fails', () => ({ end: broken, options: {}, error: brokenOff })],
  [
    'a signal',
    () => {
      const stop = new AbortController();
      const error = { code: 'ABORT_ERR' };
      return { end: () => stop.abort(), options: { signal: stop.signal }, error };
    },
  ],
  ['a proof that fails', () => ({ options: { onWhole: broken }, error: brokenOff })],
];

it.each(endings)(
  'a failed write (%s) leaves no file, and closes the descriptor once',
  async (_how, of) => {
    const directory = temporaryDirectory();
    // A handle closes itself once. A close by its number comes on top of that, when the number may be another file's.
    const closing = vi.spyOn(fs, 'close');
    onTestFinished(() => closing.mockRestore());
    const { end, options, error } = of();
    await expect(writeNew(join(directory, 'new'), pieces(3, end), options)).rejects.toMatchObject(
      error,
    );
    expect(closing).not.toHaveBeenCalled();
    expect(readdirSync(directory)).toEqual([]);
  },
);

it('a file has everything of the source, and its size is returned', async () => {
  const path = join(temporaryDirectory(), 'new');
  const sizeBytes = 5 * pieceBytes;
  expect(await writeNew(path, pieces(5))).toBe(sizeBytes);
  const written = await readFile(path);
  expect(written.length).toBe(sizeBytes);
  expect(written.subarray(-1)).toEqual(Buffer.of(4));
});
