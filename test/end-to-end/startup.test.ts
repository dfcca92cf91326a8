// What a command loads is most of what its start costs.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ending, workshop } from '../helpers/programs.ts';

it('a silent run loads no part of Node but for a plain connection', async () => {
  const { directory, environment, start, create } = workshop();
  const name = await create();
  writeFileSync(
    join(directory, 'list.cjs'),
    `process.on('exit', () => require('fs').writeFileSync('loaded', process.moduleLoadList.join('\\n')))`,
  );
  const env = { ...environment, NODE_OPTIONS: '-r ./list.cjs' };
  expect(await ending(start('gomote', ['run', name, 'true'], { env }))).toMatchObject({ code: 0 });
  const loaded = readFileSync(join(directory, 'loaded'), 'utf8').split('\n');
  const large = [
    ...['child_process', 'crypto', 'dns', 'http', 'https'],
    ...['tls', 'tty', 'worker_threads', 'zlib'],
  ];
  expect(loaded.filter((one) => large.some((part) => one === `NativeModule ${part}`))).toEqual([]);
  expect(loaded).toContain('NativeModule net');
});
