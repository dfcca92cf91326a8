// A content store with 100,000 contents, as a coordinator has one: the processor time to open it and to look up all digests, and the
// memory that it takes: node --expose-gc bench/store-lookup.js [RUNS]
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { median } from './paired.js';

const runs = Number(process.argv[2] ?? 7);
const count = 100_000;
const directory = mkdtempSync(join(tmpdir(), 'gomote-bench-'));
try {
  const outfile = join(directory, 'content-store.mjs');
  const entry = new URL('../src/store/content-store.ts', import.meta.url).pathname;
  const options = { bundle: true, platform: 'node', format: 'esm', logLevel: 'error' };
  await build({ ...options, entryPoints: [entry], outfile });
  const { ContentStore } = await import(outfile);
  const open = () =>
    new ContentStore({ root: join(directory, 'store'), room: 'one', limitBytes: 2 ** 30 });
  const filled = open();
  const contents = Array.from({ length: count }, (_, index) => {
    const content = Buffer.from(`content ${index}`);
    const digest = hash('sha256', content, 'hex');
    filled.put(digest, content);
    return { digest, size: content.length };
  });
  filled.close();
  const times = { open: [], lookup: [], bytes: [] };
  for (let run = 0; run < runs; run++) {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    const start = process.cpuUsage();
    const store = open();
    const opened = process.cpuUsage(start);
    times.open.push((opened.user + opened.system) / 1000);
    globalThis.gc?.();
    const now = process.memoryUsage();
    times.bytes.push(now.heapUsed + now.external - heapUsed - external);
    const before = process.cpuUsage();
    if (!contents.every(({ digest, size }) => store.has(digest, size))) throw new Error('missing');
    const { user, system } = process.cpuUsage(before);
    times.lookup.push((user + system) / 1000);
    store.close();
  }
  console.log(`a store with ${count} contents, Node ${process.versions.node}, medians of ${runs}`);
  console.log(`  opened in ${median(times.open).toFixed(0)} ms`);
  console.log(`  all looked up in ${median(times.lookup).toFixed(0)} ms (at most 150)`);
  console.log(`  memory: ${(median(times.bytes) / 1e6).toFixed(1)} MB (at most 20)`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
