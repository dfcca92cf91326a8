// A gomote that is killed while it makes a snapshot, at whatever moment.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { until } from '../helpers/processes.ts';
import { ending, workshop } from '../helpers/programs.ts';

it('a snapshot whose gomote was killed does not exist, and its files are removed with the next', async () => {
  const shop = workshop();
  const name = await shop.create();
  await shop.gomote('run', name, 'sh', '-c', 'head -c 60000000 /dev/urandom >big');
  const store = join(shop.directory, '.local/state/gomote-snapshots');
  const bytesThere = () =>
    (existsSync(store) ? readdirSync(store) : [])
      .filter((one) => one.startsWith('.new-'))
      .map((one) => join(store, one, 'files.tgz'))
      .map((file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0);
  for (const least of [0, 1, 20_000_000]) {
    const child = shop.start('gomote', ['snapshot', 'create', name, 'half']);
    const ended = ending(child);
    await until(() => child.exitCode !== null || bytesThere().some((bytes) => bytes >= least));
    child.kill('SIGKILL');
    await ended;
    const listed = (await shop.gomote('snapshot', 'list', '--json')).stdout.toString();
    // It was quicker than the signal, and then is whole.
    if (listed.trim() !== '[]') {
      const made = await shop.gomote('create', '--from', 'half');
      const size = await shop.gomote(
        'run',
        made.stdout.toString().trim(),
        'stat',
        '-c',
        '%s',
        'big',
      );
      expect(size.stdout.toString()).toBe('60000000\n');
      await shop.gomote('snapshot', 'remove', 'half');
    }
  }
  await shop.gomote('snapshot', 'create', name, 'whole');
  expect(readdirSync(store)).toEqual(['whole']);
});
