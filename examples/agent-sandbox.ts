// Runs a script that nobody has read, with limits, and tells as JSON what came of it: node agent-sandbox.js < script
import { text } from 'node:stream/consumers';
import { isGomoteError, open } from 'gomote';

const script = await text(process.stdin);
const maxBuffer = 16_000;
await using gomote = await open();
// Elsewhere than on this machine, the machine is the sandbox: { isolation: 'bubblewrap', network: 'none' } makes one here.
await using buildlet = await gomote.create('linux-amd64');
await buildlet.files.write('script', script);
const run = buildlet.run('sh', ['script'], { dir: '.', timeoutMs: 30_000, maxBuffer });
try {
  const { exitCode, signal, stdout, stderr, isTruncated } = await run;
  const files = (await buildlet.files.list())
    .map(({ name }) => name)
    .filter((name) => name !== 'script');
  console.log(JSON.stringify({ exitCode, signal, stdout, stderr, isTruncated, files }));
} catch (error) {
  if (!isGomoteError(error)) throw error;
  console.log(JSON.stringify({ error: error.code, message: error.message }));
}
