// Builds on a machine, and brings what matches patterns, with a list of digests: node artifact-collector.js OUT PATTERN CMD…
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'gomote';

const [out = 'artifacts', pattern = 'dist', cmd = 'make', ...args] = process.argv.slice(2);
await using gomote = await open();
await using buildlet = await gomote.create('linux-amd64');
await buildlet.push('.', { dest: 'tree' });
const { ok, stdout, stderr } = await buildlet.run(cmd, args);
if (ok) {
  const { paths } = await buildlet.pull('tree', { to: out, only: [pattern], noIgnore: true });
  const files = paths.filter((path) => statSync(join(out, path)).isFile()).sort();
  const digest = (path: string) =>
    createHash('sha256')
      .update(readFileSync(join(out, path)))
      .digest('hex');
  writeFileSync(
    join(out, 'SHA256SUMS'),
    files.map((path) => `${digest(path)}  ${path}\n`).join(''),
  );
  console.log(`${files.length} files in ${out}`);
} else {
  process.stderr.write(stdout + stderr);
  process.exitCode = 1;
}
