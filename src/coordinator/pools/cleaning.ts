// Cleans machines for their next user: by their buildlet, and by a command of the administrator's.
import { Writable } from 'node:stream';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { resetBuildlet } from '../../client/reset.ts';
import { GomoteError } from '../../errors.ts';
import { lastLine, printable } from '../../printable.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';

/** How long a machine may take to be emptied, and the admin's command to end, in ms. */
const emptyTimeoutMs = 120_000;
const commandTimeoutMs = 600_000;

/** How much of what the admin's command says is kept, in characters. */
const saidLimit = 500;

/**
 * Ends all processes of the machine's buildlet, empties it, and runs the command there. Throws when any of that fails.
 *
 * @param command A line for the shell of the machine, run after the machine is emptied.
 */
export async function clean(
  client: BuildletClient,
  command: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  await resetBuildlet(client, { signal: anySignal(signal, timeoutSignal(emptyTimeoutMs)) });
  if (command !== undefined) await run(command, client, signal);
}

async function run(command: string, client: BuildletClient, signal: AbortSignal): Promise<void> {
  let said = '';
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      said = (said + chunk.toString()).slice(-saidLimit);
      done();
    },
  });
  const { ok, state } = await client.exec('/bin/sh', {
    systemLevel: true,
    args: ['-c', command],
    output,
    signal: anySignal(signal, timeoutSignal(commandTimeoutMs)),
  });
  if (ok) return;
  const last = lastLine(said);
  throw new GomoteError(
    'ERR_REPLY',
    `the reset command failed: ${printable(state)}${last === undefined ? '' : `: ${printable(last)}`}`,
    { hint: 'repair the machine: it is tried again' },
  );
}
