// What `npm pack` makes is all a user needs.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../helpers/temporary.ts';

const root = new URL('../../', import.meta.url).pathname;
const run = (cwd: string, command: string, ...args: string[]): string =>
  execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: {
      ...process.env,
      ...{ XDG_RUNTIME_DIR: cwd, XDG_STATE_HOME: cwd, XDG_CONFIG_HOME: cwd, XDG_CACHE_HOME: cwd },
    },
  });

/** The most that an installation may take, without the packages that are optional, in bytes. */
const installLimitBytes = 15e6;

function sizeOf(path: string): number {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

/** What a program does by the library's porch, as types and as it runs, from ES modules and from CommonJS. */
function usePorch(directory: string, name: string): void {
  writeFileSync(
    join(directory, 'porch.ts'),
    `import { type Gomote, open, type Run } from 'gomote';
     const gomote: Gomote = await open();
     const buildlet = await gomote.get(process.argv[2] ?? '');
     const run: Run = buildlet.run('echo', ['hi'], { env: { A: '1' } });
     for await (const line of run) console.log(line);
     console.log((await run).ok, (await gomote.list()).length);
     await gomote.close();`,
  );
  const tsc = (module: string, resolution: string) =>
    run(
      directory,
      join(root, 'node_modules/.bin/tsc'),
      ...['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false'],
      ...['--module', module, '--moduleResolution', resolution],
      ...['--target', 'es2022', '--lib', 'es2022,esnext.disposable', '--types', 'node'],
      ...['--typeRoots', join(root, 'node_modules/@types'), 'porch.ts'],
    );
  for (const [module, resolution] of [
    ['esnext', 'bundler'],
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
  ] as const) {
    tsc(module, resolution);
    expect(run(directory, process.execPath, 'porch.js', name)).toBe('hi\ntrue 1\n');
  }
  const script = 'const { open } = require("gomote"); console.log(typeof open)';
  const options = ['--no-warnings', '--input-type=commonjs', '-e', script];
  expect(run(directory, process.execPath, ...options)).toBe('function\n');
}

it('the packed tarball installs in an empty directory; its programs, library and types work from there', () => {
  const directory = temporaryDirectory();
  const packed = JSON.parse(run(root, 'npm', 'pack', '--json', '--pack-destination', directory));
  const [{ filename, files }] = packed as [{ filename: string; files: { path: string }[] }];
  const rooms = new Set(files.map(({ path }) => path.split('/')[0]));
  expect([...rooms].sort()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'bin',
    'dist',
    'docs',
    'package.json',
    'schemas',
    'skills',
  ]);

  writeFileSync(join(directory, 'package.json'), '{"private": true, "type": "module"}');
  run(directory, 'npm', 'install', '--no-audit', '--no-fund', join(directory, filename));
  const installed = readdirSync(join(directory, 'node_modules')).filter(
    (name) => !name.startsWith('.') && name !== '@lydell',
  );
  expect(installed).not.toContain('googleapis');
  expect(installed).not.toContain('@kubernetes');
  const sizes = installed.map((name) => sizeOf(join(directory, 'node_modules', name)));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(installLimitBytes);

  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const bin = join(directory, 'node_modules', '.bin');
  expect(run(directory, join(bin, 'gomote'), '--version')).toBe(`${version}\n`);
  expect(run(directory, join(bin, 'buildlet'), '--version')).toBe(`${version}\n`);
  expect(run(directory, join(bin, 'coordinator'), '--version')).toBe(`${version}\n`);

  const name = run(directory, join(bin, 'gomote'), 'create', 'local').trim();
  try {
    expect(run(directory, join(bin, 'gomote'), 'run', name, 'echo', 'hello')).toBe('hello\n');
    writeFileSync(
      join(directory, 'use.ts'),
      `import {
         BuildletClient, type ExecResult, KeyPair, newKeyPair, ERR_CLOSED, listVMs, startPod,
       } from 'gomote';
       const pair: KeyPair = await newKeyPair();
       const client = new BuildletClient('127.0.0.1:1', pair);
       const result: Promise<ExecResult> = client.exec('true');
       await result.catch((error) => console.log(error.code, ERR_CLOSED, pair.password().length));
       // What comes with the library of the platforms' own packages loads, and answers.
       const signal = AbortSignal.abort();
       const vms = listVMs('key', 'project', 'zone', { endpoint: 'http://127.0.0.1:1', signal });
       await vms.catch((error) => console.log(/abort/i.test(error.code + error.name)));
       const config = {
         getCurrentCluster: () => null,
         getCurrentContext: () => '',
         getContextObject: () => null,
         applyToFetchOptions: async () => ({}),
         applyToHTTPSOptions: async () => {},
         applySecurityAuthentication: async () => {},
       };
       const options = { projectId: 'p', imageRegistry: 'r' };
       await startPod(config, 'pod', { name: 'h', kubernetes: { image: 'i' } } as never, options)
         .catch((error) => console.log(error.code));`,
    );
    run(
      directory,
      join(root, 'node_modules/.bin/tsc'),
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--types',
      'node',
      '--typeRoots',
      join(root, 'node_modules/@types'),
      'use.ts',
    );
    expect(run(directory, process.execPath, 'use.js')).toBe(
      'ERR_CONNECT ERR_CLOSED 40\ntrue\nERR_CONFIG\n',
    );
    usePorch(directory, name);
  } finally {
    run(directory, join(bin, 'gomote'), 'destroy', name);
  }
});
