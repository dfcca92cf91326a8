// Splits test files over several machines: node test-sharder.js 4 tests/*.sh
import { open } from 'gomote';

const [count = '2', ...files] = process.argv.slice(2);
const shards = Array.from({ length: Number(count) }, (_, shard) =>
  files.filter((_file, at) => at % Number(count) === shard),
);
await using gomote = await open();

const results = await Promise.allSettled(
  shards.map(async (shard) => {
    await using buildlet = await gomote.create('linux-amd64');
    await buildlet.push('.');
    const failed: string[] = [];
    for (const file of shard) {
      const { ok, stdout, stderr } = await buildlet.run('sh', [file]);
      console.log(`${ok ? 'ok    ' : 'FAILED'} ${file}`);
      if (ok) continue;
      process.stdout.write(stdout + stderr);
      failed.push(file);
    }
    return failed;
  }),
);
const isPassed = results.every(({ status }) => status === 'fulfilled');
const failed = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
console.log(`${files.length - failed.length} of ${files.length} passed`);
process.exitCode = isPassed && failed.length === 0 ? 0 : 1;
