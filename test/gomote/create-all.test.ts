// Creating several buildlets, or none.
import { expect, it } from 'vitest';
import type { Backend } from '../../src/backends/backend.ts';
import { GomoteError } from '../../src/errors.ts';
import { createAll } from '../../src/gomote/create-all.ts';

it('one that has ended by itself when another fails is not called left', async () => {
  const full = new GomoteError('ERR_QUOTA', 'no more');
  let made = 0;
  const backend = {
    name: 'box',
    create: async () => {
      if (++made > 1) throw full;
      return { name: 'me-linux-0' };
    },
    destroy: async () => {
      throw new GomoteError('ERR_UNKNOWN_BUILDLET', 'no such buildlet');
    },
  } as unknown as Backend;
  const call = { signal: new AbortController().signal } as Parameters<typeof createAll>[3];
  const type = { name: 'linux' } as Parameters<typeof createAll>[1];
  await expect(createAll(backend, type, 2, call)).rejects.toBe(full);
});
