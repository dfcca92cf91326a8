// Bundles the programs and the library into dist/.
//
// The programs carry all they need: start-up time is mostly the finding and compiling of modules. The library
// leaves the dependencies that npm installs outside; what else it uses comes with it.
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { build } from 'esbuild';
import { buildLibrary } from './build-library.js';
import { buildLicenses } from './build-licenses.js';
import { buildMan } from './build-man.js';
import { buildWorkers } from './build-workers.js';

const root = join(import.meta.dirname, '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { dependencies, optionalDependencies } = manifest;

/** Modules that stand for a large package: each is a file of its own, which programs and library load when they need it. */
const heavyModules = {
  'src/backends/kubernetes/client-node.ts': 'kubernetes-client',
  'src/backends/gce/google.ts': 'google-compute',
  'src/http/server/self-signed.ts': 'self-signed',
  'src/coordinator/oidc/oauth.ts': 'oauth',
  'src/cli/terminal/spinner.ts': 'spinner',
  'src/re2.ts': 're2',
  'src/cli/junit/saxes.ts': 'saxes',
  'src/cli/mcp/sdk.ts': 'mcp-sdk',
  'src/ssh/ssh2.ts': 'ssh2',
};

/** Packages that a plain command never loads, each a file of its own too: a file is read, and half compiled, as a whole. */
const heavyPackages = ['undici', 'tar'];

const heavyPackagesApart = {
  name: 'heavy-packages-apart',
  setup(builder) {
    for (const name of heavyPackages) {
      builder.onResolve({ filter: new RegExp(`^${name}$`) }, ({ kind }) =>
        kind === 'entry-point' ? undefined : { path: `./${name}.cjs`, external: true },
      );
    }
  },
};

const heavyModulesApart = {
  name: 'heavy-modules-apart',
  setup(builder) {
    builder.onResolve({ filter: /\.ts$/ }, ({ path, resolveDir, kind }) => {
      const module = relative(root, join(resolveDir, path)).replaceAll('\\', '/');
      const file = kind === 'entry-point' ? undefined : heavyModules[module];
      return file === undefined ? undefined : { path: `./${file}.cjs`, external: true };
    });
  },
};

/** Native parts of ssh2, which does without them. */
const withoutNativeParts = {
  name: 'without-native-parts',
  setup(builder) {
    builder.onResolve({ filter: /^cpu-features$|\/sshcrypto\.node$/ }, ({ path }) => ({
      path,
      namespace: 'absent',
    }));
    builder.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({
      contents: "throw new Error('there is none')",
    }));
  },
};

/** Left out of commander, which needs it for subcommands that are programs of their own: at each start it would be loaded. */
const withoutSubprograms = {
  name: 'without-subprograms',
  setup(builder) {
    builder.onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      /[\\/]commander[\\/]/.test(importer)
        ? { path: 'child_process', namespace: 'empty' }
        : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: '' }));
  },
};

rmSync('dist', { recursive: true, force: true });

const programs = await build({
  bundle: true,
  metafile: true,
  platform: 'node',
  target: 'node20.18',
  outdir: 'dist',
  logLevel: 'warning',
  entryPoints: {
    gomote: 'src/cli/main.ts',
    buildlet: 'src/buildlet/main.ts',
    coordinator: 'src/coordinator/main.ts',
    'ssh-host': 'src/backends/ssh/host/main.ts',
    'terminal-host': 'src/buildlet/command/terminal-host.ts',
    'sandbox-host': 'src/buildlet/sandbox/host.ts',
    'sftp-server': 'src/sftp/main.ts',
    ...Object.fromEntries(Object.entries(heavyModules).map(([module, file]) => [file, module])),
    ...Object.fromEntries(heavyPackages.map((name) => [name, name])),
  },
  // One CommonJS file a program: modules behind import() are evaluated, and Node's own that they need
  // required, on first use only, and there is one file to open.
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  // The files apart are required as well: import() would start Node's ES module loader, which parses each once more.
  supported: { 'dynamic-import': false },
  minify: !process.env.NOMINIFY,
  plugins: [heavyPackagesApart, heavyModulesApart, withoutSubprograms, withoutNativeParts],
  define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
});

// All else comes with the library: npm installs these alone.
const installed = [...Object.keys(dependencies), ...Object.keys(optionalDependencies)];
const libraryModules = await buildLibrary(root, installed, heavyModules);

const workers = await buildWorkers();

const outputs = [programs.metafile, workers].flatMap(({ outputs }) => Object.values(outputs));
buildLicenses(root, [...libraryModules, ...outputs.flatMap(({ inputs }) => Object.keys(inputs))]);

await buildMan(root);

// The status page is what browsers get, as it is.
cpSync('src/coordinator/page/web', 'dist/web', { recursive: true });
