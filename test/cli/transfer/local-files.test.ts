import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { writeWhole } from '../../../src/gomote/local-files.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

it.each([0o4755, 0o2755, 0o1644, 0o7777, 0o666, 0o600])(
  'a file of a buildlet with mode %o gets no more rights than files here have',
  async (mode) => {
    const file = join(temporaryDirectory(), 'file');
    await writeWhole(file, Readable.from([Buffer.from('x')]), { mode, mtimeMs: 1 });
    expect(lstatSync(file).mode & 0o7777).toBe(mode & 0o777 & ~process.umask());
  },
);
