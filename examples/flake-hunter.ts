// Runs a test again and again until it fails, and shows how: node flake-hunter.js 100 ./flaky-test
import { open } from 'gomote';

const [times = '100', cmd = 'true', ...args] = process.argv.slice(2);
await using gomote = await open();
await using buildlet = await gomote.create('linux-amd64');
await buildlet.push('.');
for (let time = 1; time <= Number(times); time++) {
  const { ok, stdout, stderr, exitCode, signal } = await buildlet.run(cmd, args);
  if (ok) continue;
  console.log(`failed at run ${time} (${signal ?? exitCode}):`);
  process.stdout.write(stdout + stderr);
  process.exitCode = 1;
  break;
}
if (process.exitCode !== 1) console.log(`passed ${times} times`);
