// A step of a CI job: pushes the checkout, runs a command, brings its report. The machine ends also when the job is cancelled.
import { open } from 'gomote';

const [cmd = 'make', ...args] = process.argv.slice(2);
const cancelled = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => cancelled.abort());
const { signal } = cancelled;

await using gomote = await open();
await using buildlet = await gomote.create('linux-amd64', { signal, onProgress: console.error });
await buildlet.push('.', { signal });
const { stdout, stderr } = process;
const { exitCode } = await buildlet.run(cmd, args, { signal, stdout, stderr, env: { CI: '1' } });
await buildlet.pull(undefined, { signal, only: ['report*'], changedOnly: true });
process.exitCode = exitCode ?? 1;
