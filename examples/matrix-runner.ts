// Runs a command on several builder types at once: node matrix-runner.js linux-amd64,linux-386 make test
import { open } from 'gomote';

const [types = 'linux-amd64', cmd = 'uname', ...args] = process.argv.slice(2);
await using gomote = await open();

async function runOn(type: string): Promise<boolean> {
  await using buildlet = await gomote.create(type);
  await buildlet.push('.');
  const { ok, exitCode, signal } = await buildlet.run(cmd, args);
  console.log(`${type}: ${ok ? 'passed' : `failed (${signal ?? exitCode})`}`);
  return ok;
}

// allSettled: when one fails, the buildlets of the others still end.
const results = await Promise.allSettled(types.split(',').map(runOn));
for (const result of results) if (result.status === 'rejected') console.error(result.reason);
const isPassed = results.every((result) => result.status === 'fulfilled' && result.value);
process.exitCode = isPassed ? 0 : 1;
