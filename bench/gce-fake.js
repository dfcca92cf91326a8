// The fake Compute API of the tests in a process of its own: prints where it is, ends with its standard input.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = new URL('../', import.meta.url).pathname;
// Two levels below the root, as what it is made of: the helpers find the programs from there.
const outfile = join(root, 'node_modules/.cache/gce-fake.mjs');
mkdirSync(join(outfile, '..'), { recursive: true });
await build({
  stdin: {
    contents: `
      export { startFakeCompute } from './test/helpers/compute/server.ts';
      export { startMetadataServer } from './test/helpers/metadata-server.ts';
    `,
    resolveDir: root,
  },
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  external: ['vitest'],
  outfile,
});
const { startFakeCompute, startMetadataServer } = await import(pathToFileURL(outfile).href);
const fake = await startFakeCompute();
fake.api.plan.machine = () => 'here';
const metadata = await startMetadataServer({}, 'token');
console.log(JSON.stringify({ endpoint: fake.endpoint, host: metadata.host }));
process.stdin.on('data', () => console.log(fake.exchanges.length));
process.stdin.on('end', async () => {
  await fake.close();
  metadata.close();
});
