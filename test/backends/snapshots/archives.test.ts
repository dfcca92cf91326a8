// What is kept of an archive that a buildlet sends as its work directory.
import { readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { Header } from 'tar';
import { describe, expect, it } from 'vitest';
import { saveArchives } from '../../../src/backends/snapshots/archives.ts';
import type { BuildletClient } from '../../../src/client/buildlet-client.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const end = Buffer.alloc(1_024);

function entries(count: number): Buffer {
  const blocks = Array.from({ length: count }, (_, n) => {
    const block = Buffer.alloc(512);
    new Header({ path: `f${n}`, mode: 0o644, size: 0, type: 'File' }).encode(block, 0);
    return block;
  });
  return Buffer.concat(blocks);
}

async function save(archive: Buffer, limits: { limitBytes?: number; limitEntries?: number } = {}) {
  const client = {
    name: 'b',
    has: async () => true,
    download: async (dir: string) => ({
      body: (async function* () {
        yield gzipSync(dir === '' ? archive : end);
      })(),
      summary: () => ({ files: 0, bytes: 0 }),
    }),
  } as unknown as BuildletClient;
  const directory = temporaryDirectory();
  const { signal } = new AbortController();
  const options = { exclude: [], limitBytes: 1 << 20, ...limits, signal };
  return { directory, saving: saveArchives(client, directory, options) };
}

describe('the archive of a snapshot', () => {
  it('stays within its limits', async () => {
    const { directory, saving } = await save(Buffer.concat([entries(3), end]), { limitEntries: 3 });
    await expect(saving).resolves.toMatchObject({ hasRecords: true });
    expect(readdirSync(directory).sort()).toEqual(['files.tgz', 'records.tgz']);
  });

  it.each([
    ['too many entries', Buffer.concat([entries(4), end]), 'ERR_QUOTA', /may have 3 files/],
    ['too many bytes', Buffer.concat([entries(3), Buffer.alloc(2 << 20)]), 'ERR_QUOTA', /larger/],
    ['what is no archive', Buffer.alloc(2_048, 'x'), 'ERR_LOST', /came damaged/],
    ['a part of an archive', entries(2), 'ERR_LOST', /without its end/],
    ['nothing', Buffer.alloc(0), 'ERR_LOST', /without its end/],
  ])('is refused with %s', async (_what, archive, code, said) => {
    const { saving } = await save(archive, { limitEntries: 3 });
    await expect(saving).rejects.toMatchObject({ code, message: expect.stringMatching(said) });
  });
});
