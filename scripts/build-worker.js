// Bundles the thread that unpacks archives: beside the programs and the library, and also before tests, which run
// everything else from its source.
import { build } from 'esbuild';

export async function buildWorker() {
  await build({
    entryPoints: { 'archive-worker': 'src/archive/worker.ts' },
    bundle: true,
    platform: 'node',
    target: 'node20.18',
    outdir: 'dist',
    logLevel: 'warning',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    minify: true,
  });
}

export { buildWorker as setup };
