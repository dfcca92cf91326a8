// Runs the user's script that prepares a machine.
import { Writable } from 'node:stream';
import { randomId } from '../../client/random-id.ts';
import { GomoteError } from '../../errors.ts';
import type { Buildlet } from '../../gomote/buildlet.ts';
import { printable } from '../../printable.ts';
import type { Context } from '../context.ts';
import type { OnceSpec } from './spec.ts';

/** How much of the end of its output a failure tells, in characters. */
const shownLength = 400;

/** Runs it in the work directory, its output on stderr. Throws ERR_STATUS when it fails: the command is not run then. */
export async function setUp(
  { name, client }: Buildlet,
  script: NonNullable<OnceSpec['setup']>,
  { terminal, signal }: Context,
): Promise<void> {
  const path = `.gomote-setup-${randomId()}`;
  await client.put(script.bytes, path, 0o700, { signal });
  let end = '';
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      end = (end + chunk.toString('utf8')).slice(-shownLength);
      terminal.stderr.write(chunk, done);
    },
  });
  // Without a first line that names its program, it is one for the shell.
  const isOwn = script.bytes.subarray(0, 2).toString() === '#!';
  const words: [string, ...string[]] = isOwn ? [path] : ['/bin/sh', path];
  const [cmd, ...args] = words;
  const result = await client
    .exec(cmd, { args, dir: '.', systemLevel: !isOwn, output, signal })
    .finally(() => client.removeAll([path], { signal }).catch(() => undefined));
  if (result.ok) return;
  const last = printable(end.trim().split('\n').slice(-3).join(' / '));
  const how = result.signal ?? `exit status ${result.exitCode}`;
  throw new GomoteError('ERR_STATUS', `${name}: the setup ${script.name} failed: ${how}: ${last}`, {
    hint: 'the command was not run',
  });
}
