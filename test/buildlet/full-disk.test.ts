// A full disk is told by its file system, and nothing half-done is left on it.
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { canMount, mounted } from '../helpers/small-disk.ts';
import { rawTarGz } from '../tar/raw-archive.ts';

it.skipIf(!canMount).each(['put', 'putTar'] as const)(
  'an error of %s names the disk that is full',
  async (call) => {
    const workDir = mounted('1m');
    const client = clientOf(await startBuildlet({ workDir }));
    const content = randomBytes(3 << 20);
    const sent =
      call === 'put'
        ? client.put(content, 'f', 0o644)
        : client.putTar(rawTarGz({ name: 'f', content }), 'd');
    await expect(sent).rejects.toThrow(
      `no space left on device (on the file system at ${workDir}; remove something there)`,
    );
    expect(readdirSync(workDir)).toEqual([]);
  },
);
