// The clients of the clouds are large: a command that asks no cloud must not load them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { gomoteProgram, projectRoot, workshop } from '../helpers/programs.ts';

/** Says at the end on standard error which files were loaded. */
const reporter = `process.on('exit', () => {
  process.stderr.write(JSON.stringify(Object.keys(require.cache)));
});`;

it('only the program itself is loaded by list, run, ls and destroy on a local buildlet, and not even that by --version', async () => {
  const { directory, run, create } = workshop();
  const hook = join(directory, 'hook.cjs');
  writeFileSync(hook, reporter);
  const loadedBy = async (...args: string[]): Promise<string[]> => {
    const { stderr } = await run(process.execPath, '--require', hook, gomoteProgram, ...args);
    return (JSON.parse(stderr) as string[]).map((path) => basename(path)).sort();
  };
  const name = await create();
  const started = ['gomote.js', 'hook.cjs', 'package.json', 'start.js'];
  expect(await loadedBy('--version')).toEqual(started);
  // Node does not know of the program’s own file, which is loaded with its compiled code.
  const program = [...started, 'early.js', 'gomote.cjs', 'load.js'];
  const besideIt = async (...args: string[]) => {
    const loaded = await loadedBy(...args);
    expect(loaded).toContain('load.js');
    return loaded.filter((one) => !program.includes(one));
  };
  for (const command of [
    ['list'],
    ['run', name, 'true'],
    ['types'],
    ['ls', name],
    ['destroy', name],
  ])
    expect(await besideIt(...command)).toEqual([]);
});

it('packages that few commands need are in files of their own, not in the programs', () => {
  const textOf = (file: string) => readFileSync(join(projectRoot, 'dist', file), 'latin1');
  const marks = {
    'kubernetes-client.cjs': '/api/v1/namespaces/{namespace}/pods',
    'google-compute.cjs': 'compute/v1/projects/{project}',
  };
  for (const [file, mark] of Object.entries(marks)) {
    expect(textOf(file)).toContain(mark);
    for (const program of ['gomote.cjs', 'buildlet.cjs', 'coordinator.cjs'])
      expect([program, textOf(program).includes(mark)]).toEqual([program, false]);
  }
});

it('the entry point of the library loads few files and few parts of Node', async () => {
  const loaded = new Set(['index.js']);
  for (const file of loaded) {
    const text = readFileSync(join(projectRoot, 'dist', file), 'utf8');
    for (const [, other] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) loaded.add(other!);
  }
  // Itself, the library, and what the bundler adds.
  expect(loaded.size).toBeLessThanOrEqual(3);
  expect(loaded.size).toBeGreaterThan(1);

  const { run } = workshop();
  const library = pathToFileURL(join(projectRoot, 'dist/index.js')).href;
  const loadedBy = async (module: string) => {
    const program = `await import('${module}'); console.log(process.moduleLoadList.join('\\n'))`;
    const { stdout } = await run(process.execPath, '--input-type=module', '--eval', program);
    return String(stdout).split('\n');
  };
  const lines = await loadedBy(library);
  expect(lines).toContain('NativeModule http');
  // That loads worker_threads in some versions of Node.
  const byUtil = await loadedBy('node:util');
  const apart = ['child_process', 'crypto', 'https', 'internal/deps/undici/undici', 'tls']
    .concat('worker_threads', 'zlib')
    .map((module) => `NativeModule ${module}`)
    .filter((module) => !byUtil.includes(module));
  expect(lines.filter((line) => apart.includes(line))).toEqual([]);
});

it('the image of a buildlet holds every file that a buildlet loads', () => {
  const dockerfile = readFileSync(join(projectRoot, 'docs/kubernetes/buildlet.Dockerfile'), 'utf8');
  const program = readFileSync(join(projectRoot, 'dist/buildlet.cjs'), 'latin1');
  const loaded = [...program.matchAll(/require\("\.\/([a-z-]+\.cjs)"\)/g)].map(([, file]) => file);
  expect(loaded).toContain('tar.cjs');
  for (const file of loaded) expect(dockerfile).toContain(`dist/${file}`);
});

it('--version prints the whole version, or fails', async () => {
  const { run } = workshop();
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
  for (const flag of ['--version', '-version'])
    expect(await run('gomote', flag)).toMatchObject({ code: 0, stderr: '' });
  expect(String((await run('gomote', '--version')).stdout)).toBe(`${version}\n`);
  if (!existsSync('/dev/full')) return;
  expect(await run('sh', '-c', 'gomote --version >/dev/full')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^gomote: standard output: .*\n$/),
  });
});
