// Files that a person keeps and gomote believes: nobody else can have written them.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readTrustedFile } from '../../src/files/private-file.ts';
import { loadConfig } from '../../src/gomote/config/config.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const isRoot = process.getuid?.() === 0;

const bad: [string, (path: string) => void, RegExp][] = [
  ['all can write', (path) => chmodSync(path, 0o646), /can be changed by others/],
  ['its group can write', (path) => chmodSync(path, 0o664), /can be changed by others/],
  ...(isRoot
    ? ([
        ['is another user’s', (path) => chownSync(path, 65534, 65534), /another user/],
      ] as typeof bad)
    : []),
];

it.each(bad)('a configuration that %s is refused with its name', async (_what, spoil, why) => {
  const directory = temporaryDirectory();
  for (const name of ['config.toml', 'logins.toml']) {
    const path = join(directory, name);
    writeFileSync(path, '', { mode: 0o644 });
    await loadConfig(directory);
    spoil(path);
    const refusal = loadConfig(directory);
    await expect(refusal).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    await expect(refusal).rejects.toThrow(why);
    await expect(refusal).rejects.toThrow(path);
    writeFileSync(path, '');
    chmodSync(path, 0o644);
    if (isRoot) chownSync(path, 0, 0);
  }
});

it('a configuration that is a FIFO or a device is refused without waiting', () => {
  const fifo = join(temporaryDirectory(), 'fifo');
  execFileSync('mkfifo', [fifo]);
  for (const path of [fifo, '/dev/zero']) {
    expect(() => readTrustedFile(path)).toThrow(/is not a file/);
  }
});

it('a configuration that is a link to a file of the same user is followed', () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'real'), 'text', { mode: 0o600 });
  symlinkSync('real', join(directory, 'link'));
  expect(readTrustedFile(join(directory, 'link')).toString()).toBe('text');
});
