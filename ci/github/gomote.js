// Runs gomote with the output of this process, and passes on the signals by which a runner cancels a step.
import { spawn } from 'node:child_process';

/** Its standard output, without the newline at its end. Sets the exit code of this process and throws when it fails. */
export async function gomote(args, { isShown = true } = {}) {
  const child = spawn('gomote', args, {
    stdio: ['ignore', isShown ? 'inherit' : 'pipe', 'inherit'],
  });
  const passOn = (signal) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, passOn);
  let stdout = '';
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (status) => resolve(status ?? 1));
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, passOn);
  if (code === 0) return stdout.trimEnd();
  process.exitCode = code;
  throw new Error(`gomote ${args[0]} ended with ${code}`);
}

/** What went wrong, as an annotation of the job. */
export function report(error) {
  process.exitCode ||= 1;
  const said = error.code === 'ENOENT' ? 'gomote is not installed, or not on PATH' : error.message;
  process.stdout.write(`::error::${said.replaceAll('%', '%25').replaceAll('\n', '%0A')}\n`);
}
