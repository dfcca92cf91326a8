// What a command loads is most of what its start costs.
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ending, projectRoot, workshop } from '../helpers/programs.ts';

/** The modules of Node that a run may load besides those of `node -e 0`. Each costs processor time at every run. */
const modulesOfARun = [
  ...['_http_agent', '_http_client', '_http_common', '_http_incoming', '_http_outgoing', 'http'],
  ...['_http_server', 'diagnostics_channel', 'module', 'net', 'os', 'process', 'stream'],
  ...['stream/promises', 'string_decoder', 'timers/promises', 'vm'],
];

it('a silent run loads no unused part of Node, also in a pushed tree', async () => {
  const { directory, environment, start, create } = workshop();
  const name = await create();
  const hook = join(directory, 'list.cjs');
  writeFileSync(
    hook,
    `process.on('exit', () => require('fs').writeFileSync('loaded', process.moduleLoadList.join('\\n')))`,
  );
  const env = { ...environment, NODE_OPTIONS: `-r ${hook}` };
  const loadedBy = async (program: string, ...args: string[]) => {
    expect(await ending(start(program, args, { env }))).toMatchObject({ code: 0 });
    const lines = readFileSync(join(directory, 'loaded'), 'utf8').split('\n');
    return lines.flatMap((line) => /^NativeModule (?!internal\/)(.*)$/.exec(line)?.[1] ?? []);
  };
  const bare = await loadedBy('node', '-e', '0');
  const ofRun = async () =>
    (await loadedBy('gomote', 'run', name, 'true')).filter((module) => !bare.includes(module));
  const loaded = await ofRun();
  expect(loaded.filter((module) => !modulesOfARun.includes(module))).toEqual([]);
  expect(loaded).toContain('http');
  expect(await ending(start('gomote', ['push', name], { env: environment }))).toMatchObject({
    code: 0,
  });
  expect(await ofRun()).toEqual(loaded);
});

it('the compiled code of the program is cached, unless it is damaged', async () => {
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

it('code of other versions is kept until it is old, and foreign files stay', async () => {
  const { directory, environment, start } = workshop();
  const code = join(directory, 'cache', 'gomote', 'code');
  const env = { ...environment, XDG_CACHE_HOME: join(directory, 'cache') };
  mkdirSync(code, { recursive: true, mode: 0o700 });
  const past = new Date(Date.now() - 30 * 24 * 3_600_000);
  for (const [name, isOldFile] of [
    ['gomote_1-1_v20.1.0_x64_list', false],
    ['gomote_2-1_v20.1.0_x64_list', true],
    ['gomote_2-1_v20.1.0_x64_list.77', true],
    ['gomote_9.0.0-2-1_v20.1.0_x64_list', true],
    ['notes', true],
  ] as const) {
    writeFileSync(join(code, name), '');
    if (isOldFile) utimesSync(join(code, name), past, past);
  }
  expect(await ending(start('gomote', ['list'], { env }))).toMatchObject({ code: 0 });
  const left = readdirSync(code).filter((name) => !name.includes(process.version));
  expect(left).toEqual(['gomote_1-1_v20.1.0_x64_list', 'notes']);
});

describe('no code is kept or run', () => {
  it.each<[string, (top: string) => NodeJS.ProcessEnv]>([
    ['below /proc', () => ({ XDG_CACHE_HOME: '/proc/nosuch' })],
    ['in a relative directory', () => ({ XDG_CACHE_HOME: 'cache' })],
    [
      'in a home directory that is not there',
      (top) => ({
        HOME: join(top, 'nosuch'),
        XDG_CACHE_HOME: '',
        XDG_STATE_HOME: join(top, 'state'),
      }),
    ],
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

it('the compiled code that goes with a copied buildlet is taken as a whole, and is not needed', async () => {
  const { directory, environment, start } = workshop();
  const copy = join(directory, 'copy');
  for (const name of ['package.json', 'bin', 'dist/buildlet.cjs']) {
    cpSync(join(projectRoot, name), join(copy, name), { recursive: true });
  }
  const load = join(copy, 'bin', 'load.js');
  const program = join(copy, 'dist', 'buildlet.cjs');
  const answerOf = async (text: string) =>
    String((await ending(start('node', ['--eval', text], { env: environment }))).stdout);
  await answerOf(
    `require('node:fs').writeFileSync('${program}.code', require('${load}').compile('buildlet'))`,
  );
  const taken = await answerOf(`
    const { readFileSync } = require('node:fs');
    const source = require('node:module').wrap(readFileSync('${program}', 'latin1'));
    const cachedData = readFileSync('${program}.code');
    console.log(new (require('node:vm').Script)(source, { cachedData }).cachedDataRejected);
  `);
  expect(taken.trim()).toBe('false');
  const version = async () =>
    await ending(
      start('node', [join(copy, 'bin', 'buildlet.js'), '--version'], { env: environment }),
    );
  expect(await version()).toMatchObject({ code: 0 });
  writeFileSync(`${program}.code`, 'damaged');
  expect(await version()).toMatchObject({ code: 0 });
  rmSync(`${program}.code`);
  expect(await version()).toMatchObject({ code: 0 });
});
