// Many real buildlets in one process, for bench/coordinator.js: node bench/many-buildlets.js DIRECTORY COUNT
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const [directory, count] = [process.argv[2], Number(process.argv[3])];
mkdirSync(directory, { recursive: true });
const outfile = join(directory, 'agent.cjs');
await build({
  entryPoints: [new URL('../src/buildlet/agent.ts', import.meta.url).pathname],
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  outfile,
  logLevel: 'error',
  external: ['@lydell/node-pty'],
  define: { 'import.meta.url': 'importMetaUrl' },
  banner: {
    js: `const importMetaUrl = ${JSON.stringify(new URL('../dist/buildlet.cjs', import.meta.url).href)};`,
  },
});
const { startAgent } = (await import(pathToFileURL(outfile).href)).default;
const addresses = [];
const agents = [];
for (let i = 0; i < count; i++) {
  const agent = await startAgent({
    address: { kind: 'unix', path: join(directory, `${i}`) },
    workDir: join(directory, `work-${i}`),
    environment: { PATH: process.env.PATH },
    log: () => undefined,
  });
  agents.push(agent);
  addresses.push(agent.address);
}
process.once('SIGTERM', async () => {
  await Promise.all(agents.map((agent) => agent.close()));
  process.exitCode = 0;
});
process.stdout.write(`${JSON.stringify(addresses)}\n`);
