// Bundles the programs and the library into dist/.
//
// The programs carry all they need in few files: start-up time is mostly the reading and compiling of modules.
// The library leaves its dependencies outside, as libraries do.
import { readdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.18',
  format: 'esm',
  outdir: 'dist',
  logLevel: 'warning',
  // Chunks lie beside the entry points: src/package-root.ts counts on it.
  chunkNames: 'chunk-[hash]',
};

/** undici's public entry loads all of fetch, WebSocket and HTTP/2; the programs need the HTTP/1.1 client. */
const slimUndici = {
  name: 'slim-undici',
  setup(builder) {
    builder.onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'slim' }));
    builder.onLoad({ filter: /^undici$/, namespace: 'slim' }, () => ({
      resolveDir: import.meta.dirname,
      contents: `
        const Dispatcher = require('undici/lib/dispatcher/dispatcher.js');
        Dispatcher.prototype.request = require('undici/lib/api/api-request.js');
        exports.Pool = require('undici/lib/dispatcher/pool.js');
        exports.buildConnector = require('undici/lib/core/connect.js');
      `,
    }));
    const unused =
      /(client-h2|web\/(fetch|webidl|infra|websocket|cookies)\/.*|web\/fetch\/body)(\.js)?$/;
    builder.onResolve({ filter: unused }, (args) =>
      args.importer.includes('undici') ? { path: args.path, namespace: 'absent' } : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({
      contents: 'module.exports = {}',
    }));
  },
};

for (const name of readdirSync('.').includes('dist') ? readdirSync('dist') : []) {
  if (name.endsWith('.js')) rmSync(`dist/${name}`);
}

await build({
  ...common,
  entryPoints: { gomote: 'src/cli/main.ts', buildlet: 'src/buildlet/main.ts' },
  splitting: true,
  minify: true,
  keepNames: false,
  plugins: [slimUndici],
  // CommonJS dependencies call require for Node's own modules.
  banner: {
    js: "import{createRequire as createRequireHere}from'node:module';const require=createRequireHere(import.meta.url);",
  },
});

await build({
  ...common,
  entryPoints: { index: 'src/index.ts' },
  splitting: true,
  packages: 'external',
});
