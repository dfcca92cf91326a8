// Files that a command changes while a push writes them: with their size and time as before, even in the same millisecond.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { until } from '../../helpers/processes.ts';
import { pushBench } from '../../sync/push-helper.ts';

const names = Array.from({ length: 60 }, (_, index) => `f${100 + index}`);

/** Changes each file as soon as it is there. */
const watcher = `
const fs = require('node:fs');
fs.writeFileSync('../ready', '');
for (const name of ${JSON.stringify(names)}) {
  let stats;
  while (stats === undefined) stats = fs.lstatSync(name, { throwIfNoEntry: false });
  const fd = fs.openSync(name, 'r+');
  fs.writeSync(fd, 'other');
  const time = stats.mtimeMs / 1000 + 1e-6;
  fs.futimesSync(fd, time, time);
  fs.closeSync(fd);
}`;

it('files that a command changes as they are written are sent again', async () => {
  const { top, there, client, push } = await pushBench({});
  writeFileSync(join(top, 'first'), '');
  await push();
  for (const name of names) writeFileSync(join(top, name), 'right'.repeat(500));
  const args = ['-e', watcher];
  const watching = client.exec(process.execPath, { args, dir: 'tree', systemLevel: true });
  await until(() => readable(join(there, '../ready')));
  await push();
  expect((await watching).exitCode).toBe(0);
  await push();
  for (const name of names) {
    expect(readFileSync(join(there, name), 'utf8'), name).toBe('right'.repeat(500));
  }
});

function readable(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}
