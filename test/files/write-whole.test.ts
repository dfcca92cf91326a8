import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeNew } from '../../src/files/write-whole.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const failing = async function* (...pieces: string[]) {
  for (const piece of pieces) yield Buffer.from(piece);
  throw new Error('it was cut');
};

it.each([[[]], [['a piece']]])(
  'what fails leaves nothing, however early (after %j)',
  async (pieces) => {
    const directory = temporaryDirectory();
    // Some fail while the file is being opened.
    const written = Array.from({ length: 400 }, (_, index) =>
      writeNew(join(directory, `file-${index}`), failing(...pieces)),
    );
    for (const result of await Promise.allSettled(written)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { message: 'it was cut' } });
    }
    expect(readdirSync(directory)).toEqual([]);
  },
);

it('a file that is there is left as it is', async () => {
  const directory = temporaryDirectory();
  const path = join(directory, 'file');
  const source = async function* () {
    yield Buffer.from('content');
  };
  expect(await writeNew(path, source())).toBe(7);
  await expect(writeNew(path, source())).rejects.toMatchObject({ code: 'EEXIST' });
  expect(readdirSync(directory)).toEqual(['file']);
});
