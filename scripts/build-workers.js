// Bundles the programs of threads: beside the programs and the library, and also before tests, which run
// everything else from its source.
import { build } from 'esbuild';

/** By name in dist/, as `Thread` takes it. */
const entryPoints = {
  'archive-worker': 'src/tar/worker.ts',
  'tree-worker': 'src/buildlet/trees/worker.ts',
  'store-worker': 'src/coordinator/store/worker.ts',
};

export async function buildWorkers() {
  await build({
    entryPoints,
    bundle: true,
    platform: 'node',
    target: 'node20.18',
    outdir: 'dist',
    logLevel: 'warning',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    minify: !process.env.NOMINIFY,
  });
}

export { buildWorkers as setup };
