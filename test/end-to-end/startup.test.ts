// What a command loads is most of what its start costs.
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ending, projectRoot, workshop } from '../helpers/programs.ts';

it('a silent run loads no large part of Node but its HTTP client', async () => {
  const { directory, environment, start, create } = workshop();
  const name = await create();
  writeFileSync(
    join(directory, 'list.cjs'),
    `process.on('exit', () => require('fs').writeFileSync('loaded', process.moduleLoadList.join('\\n')))`,
  );
  const env = { ...environment, NODE_OPTIONS: '-r ./list.cjs' };
  expect(await ending(start('gomote', ['run', name, 'true'], { env }))).toMatchObject({ code: 0 });
  const loaded = readFileSync(join(directory, 'loaded'), 'utf8').split('\n');
  const large = [...['crypto', 'dns', 'https'], ...['tls', 'tty', 'worker_threads', 'zlib']];
  expect(loaded.filter((one) => large.some((part) => one === `NativeModule ${part}`))).toEqual([]);
  expect(loaded).toContain('NativeModule http');
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
});

it.runIf(isOld)(
  'code of other versions is kept until it is old, and foreign files stay',
  async () => {
    const { directory, environment, start } = workshop();
    const code = join(directory, 'cache', 'gomote', 'code');
    const env = { ...environment, XDG_CACHE_HOME: join(directory, 'cache') };
    mkdirSync(code, { recursive: true, mode: 0o700 });
    const past = new Date(Date.now() - 30 * 24 * 3_600_000);
    for (const [name, isOldFile] of [
      ['gomote_9.0.0-1-1_v20.1.0_x64_list', false],
      ['gomote_9.0.0-2-1_v20.1.0_x64_list', true],
      ['gomote_9.0.0-2-1_v20.1.0_x64_list.77', true],
      ['notes', true],
    ] as const) {
      writeFileSync(join(code, name), '');
      if (isOldFile) utimesSync(join(code, name), past, past);
    }
    expect(await ending(start('gomote', ['list'], { env }))).toMatchObject({ code: 0 });
    const left = readdirSync(code).filter((name) => !name.startsWith('gomote_0.'));
    expect(left).toEqual(['gomote_9.0.0-1-1_v20.1.0_x64_list', 'notes']);
  },
);

describe('no code is kept or run', () => {
  it.each<[string, (top: string) => NodeJS.ProcessEnv]>([
    ['below /proc', () => ({ XDG_CACHE_HOME: '/proc/nosuch' })],
    ['in a relative directory', () => ({ XDG_CACHE_HOME: 'cache' })],
    [
      'below a directory that others write to',
      (top) => {
        mkdirSync(join(top, 'open'));
        chmodSync(join(top, 'open'), 0o777);
        return { XDG_CACHE_HOME: join(top, 'open') };
      },
    ],
    [
      'behind a link',
      (top) => {
        mkdirSync(join(top, 'real'));
        mkdirSync(join(top, 'cache'));
        symlinkSync(join(top, 'real'), join(top, 'cache/gomote'));
        return { XDG_CACHE_HOME: join(top, 'cache') };
      },
    ],
    [
      'below a file',
      (top) => {
        writeFileSync(join(top, 'file'), '');
        return { XDG_CACHE_HOME: join(top, 'file') };
      },
    ],
  ])('%s', async (_, prepare) => {
    const { directory, environment, start } = workshop();
    const env = { ...environment, ...prepare(directory) };
    const before = readdirSync(directory, { recursive: true }).sort();
    expect(await ending(start('gomote', ['types'], { env }))).toMatchObject({ code: 0 });
    expect(readdirSync(directory, { recursive: true }).sort()).toEqual(before);
  });

  it.runIf(process.getuid?.() === 0)('below a directory of another user', async () => {
    const { directory, environment, start } = workshop();
    const cache = join(directory, 'cache');
    mkdirSync(cache);
    chownSync(cache, 65_534, 65_534);
    const env = { ...environment, XDG_CACHE_HOME: cache };
    expect(await ending(start('gomote', ['types'], { env }))).toMatchObject({ code: 0 });
    expect(readdirSync(cache)).toEqual([]);
  });

  it('by servers', () => {
    for (const program of ['buildlet', 'coordinator']) {
      const text = readFileSync(join(projectRoot, `bin/${program}.js`), 'utf8');
      expect(text).not.toContain('enableCompileCache');
    }
  });
});
