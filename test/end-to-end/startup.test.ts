// What a command loads is most of what its start costs.
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
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

const isOld = !('enableCompileCache' in process.getBuiltinModule('node:module'));

it.runIf(isOld)('what V8 makes of a push, which has flags of its own, is kept, too', async () => {
  const { directory, environment, start, create } = workshop();
  const cache = join(directory, 'cache');
  const code = join(cache, 'gomote', 'code');
  const env = { ...environment, XDG_CACHE_HOME: cache };
  const name = await create();
  const kept = async () => {
    expect(await ending(start('gomote', ['push', name, '.bin'], { env }))).toMatchObject({
      code: 0,
    });
    return readdirSync(code).map((one) => statSync(join(code, one)).ino);
  };
  expect(await kept()).toEqual(await kept());
});

it.runIf(isOld)('what V8 makes of the program is kept, unless it is damaged', async () => {
  const { directory, environment, start } = workshop();
  const code = join(directory, 'cache', 'gomote', 'code');
  const env = { ...environment, XDG_CACHE_HOME: join(directory, 'cache') };
  const list = async () => {
    expect(await ending(start('gomote', ['list'], { env }))).toMatchObject({ code: 0 });
    const [name, ...others] = readdirSync(code);
    expect(others).toEqual([]);
    const path = join(code, name!);
    return { path, ...statSync(path) };
  };
  const kept = await list();
  expect(kept.mode & 0o777).toBe(0o600);
  expect((await list()).ino).toBe(kept.ino);
  const bytes = readFileSync(kept.path);
  const middle = bytes.length >> 1;
  writeFileSync(kept.path, bytes.fill(0, middle, middle + 4096));
  const mended = await list();
  expect(mended.ino).not.toBe(kept.ino);
  renameSync(mended.path, `${mended.path.replace(/_0[.]/, '_9.')}`);
  expect((await list()).path).toBe(mended.path);
});
