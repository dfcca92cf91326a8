// Bundles the programs of threads: beside the programs and the library, and also before tests, which run
// everything else from its source.
import { build } from 'esbuild';

/** By name in dist/, as `Thread` takes it. */
const entryPoints = {
  'archive-worker': 'src/tar/worker.ts',
  'tree-worker': 'src/buildlet/trees/worker.ts',
  'listing-worker': 'src/buildlet/listing/worker.ts',
  'store-worker': 'src/coordinator/store/worker.ts',
};

/** Returns what was bundled. */
export async function buildWorkers() {
  const { metafile } = await build({
    metafile: true,
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
  return metafile;
}

export async function setup() {
  await buildWorkers();
}
