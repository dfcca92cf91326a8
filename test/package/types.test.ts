// The declarations of the package: with every TypeScript that is in use, without any package that npm does not install.
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, inject, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { consumer, fetched, run } from './consumer.ts';

const root = new URL('../../', import.meta.url).pathname;

const finders = [
  ['esnext', 'bundler'],
  ['node16', 'node16'],
  ['nodenext', 'nodenext'],
] as const;

async function compile(tsc: string, directory: string, [module, resolution]: readonly string[]) {
  const typeRoots = join(root, 'node_modules/@types');
  await run(
    directory,
    tsc,
    ...['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'],
    ...['--skipLibCheck', 'false', '--module', `${module}`, '--moduleResolution', `${resolution}`],
    ...['--target', 'es2022', '--types', 'node', '--typeRoots', typeRoots, 'program.ts'],
  );
}

it.concurrent.each(['5.0', '5.9', '6.0'])(
  'TypeScript %s takes the declarations, in every way to find modules',
  { timeout: 300_000 },
  async (version) => {
    const tsc = await fetched(`typescript@${version}`, 'bin/tsc');
    if (tsc === undefined) return;
    for (const finder of finders) await compile(tsc, consumer(), finder);
  },
);

it('the TypeScript of this package accepts the declarations, too, and the program runs', async () => {
  const tsc = join(root, 'node_modules/.bin/tsc');
  for (const finder of finders) {
    const directory = consumer();
    await compile(tsc, directory, finder);
    expect(await run(directory, process.execPath, 'program.js')).toBe(
      'hi\ntrue 1 function function\nERR_CONNECT ERR_CLOSED 40\ntrue\nERR_CONFIG\n',
    );
  }
});

const dist = join(inject('installed'), 'node_modules/gomote/dist');

/** The packages in a list of what is imported. */
const packagesOf = (imported: readonly string[]): string[] =>
  [...new Set(imported)].filter((name) => !name.startsWith('.') && !isBuiltin(name)).sort();

it('every import of the library is installed with it', async () => {
  const { metafile } = await build({
    entryPoints: [join(dist, 'index.js'), join(dist, 'testing.js')],
    ...{ bundle: true, format: 'esm', platform: 'node', packages: 'external' },
    ...{ metafile: true, write: false, outdir: 'none' },
  });
  const modules = Object.entries(metafile.inputs).filter(([path]) => path.endsWith('.js'));
  const imported = modules.flatMap(([, { imports }]) => imports);
  const external = imported.filter((one) => one.external).map(({ path }) => path);
  const { dependencies, optionalDependencies } = manifest;
  const known = Object.keys({ ...dependencies, ...optionalDependencies });
  expect(packagesOf(external).filter((name) => !known.includes(name))).toEqual([]);
});

it('the declarations of the library need only one package, which is installed with it', () => {
  const types = join(dist, 'types');
  const imported = readdirSync(types, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.d.ts'))
    .flatMap((name) => [
      ...readFileSync(join(types, name), 'utf8').matchAll(
        /^(?:im|ex)port [^'"]*?from '(.*?)'|import\("(.*?)"\)/gm,
      ),
    ]);
  expect(imported.length).toBeGreaterThan(100);
  expect(packagesOf(imported.map(([, from, of]) => from ?? of ?? ''))).toEqual(['undici']);
});
