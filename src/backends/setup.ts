// Sends a setup script with its files to a new buildlet, and runs it.
import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import type { BuilderType } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import { randomId } from '../client/random-id.ts';
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { printable, quoted } from '../printable.ts';
import type { SessionRequest } from '../protocol/session.ts';

/** A file to send before the script runs. */
export interface SetupFile {
  /** The destination, relative to the work directory. */
  readonly path: string;
  /** What is in it. */
  readonly bytes: Uint8Array;
  /** Whether its mode is 755 and not 644. */
  readonly isExecutable: boolean;
}

/** A script and its files, in memory. */
export interface Setup {
  /** Its name in messages. */
  readonly name: string;
  /** The script itself. */
  readonly bytes: Uint8Array;
  /** The files to send before it runs. */
  readonly files: readonly SetupFile[];
  /** Whether the work directory that it leaves may be kept, for later machines. Default: where nothing else can be lost. */
  readonly isKept?: boolean | undefined;
}

export interface SetupRun {
  /** The builder type whose environment it gets. Absent: only the environment of the machine. */
  readonly builder?: BuilderType | undefined;
  /** Receives both of its outputs. Absent: they are discarded. */
  readonly output?: Writable | undefined;
  readonly signal: AbortSignal;
  /** The hint in the error of a failure. */
  readonly hint?: string | undefined;
}

/** The maximum length of the output in an error message, in characters. */
const shownLength = 400;

/** The digest of everything that a setup does, in order. */
export function digestOfSetups(setups: readonly Setup[]): string {
  const digest = createHash('sha256');
  const add = (bytes: Uint8Array | string) => {
    digest.update(`${bytes.length}\n`).update(bytes);
  };
  for (const { bytes, files } of setups) {
    add(bytes);
    add(String(files.length));
    for (const { path, bytes, isExecutable } of files) {
      add(path);
      add(isExecutable ? 'x' : '-');
      add(bytes);
    }
  }
  return digest.digest('hex');
}

/**
 * Runs the script in the work directory, as a run that `logs` and `ps` show. Removes the script afterwards, but not its files.
 *
 * @throws GomoteError ERR_SETUP when it fails, with its exit status and its last lines.
 */
export async function runSetup(
  client: BuildletClient,
  label: string,
  { name, bytes, files }: Setup,
  { builder, output, signal, hint = 'correct the script' }: SetupRun,
): Promise<void> {
  const path = `.gomote-setup-${randomId()}`;
  const failed = (how: string): GomoteError =>
    new GomoteError('ERR_SETUP', `${label}: the setup ${name} failed: ${how}`, { hint });
  for (const file of files) {
    await client.put(Buffer.from(file.bytes), file.path, file.isExecutable ? 0o755 : 0o644, {
      signal,
    });
  }
  await client.put(Buffer.from(bytes), path, 0o700, { signal });
  const tail = new Tail(output);
  try {
    // A script without a `#!` line is a shell script.
    const isOwn = Buffer.from(bytes.subarray(0, 2)).toString() === '#!';
    const [cmd, args] = isOwn ? [path, []] : ['/bin/sh', [path]];
    const state = await runToEnd(
      client,
      {
        cmd,
        args,
        dir: '.',
        systemLevel: !isOwn,
        debug: false,
        env: builder?.env ?? [],
        path: builder?.path,
      },
      tail,
      signal,
    );
    if (state !== undefined)
      throw failed(`${isOwn ? startFailure(state, bytes) : state}${tail.shown}`);
  } catch (error) {
    if (isGomoteError(error, 'ERR_SETUP') || signal.aborted) throw error;
    throw failed(messageOf(error));
  } finally {
    await client.removeAll([path], { signal }).catch(() => undefined);
  }
}

/** The system says "no such file" of the script where the program in its first line is what is not there. */
function startFailure(state: string, bytes: Uint8Array): string {
  const reason = /^fork\/exec .*: (.*)$/s.exec(state)?.[1];
  if (reason === undefined) return state;
  const [line = ''] = Buffer.from(bytes.subarray(0, shownLength)).toString().split('\n');
  const cure = line.endsWith('\r') ? ' (its lines must not end with a carriage return)' : '';
  return `the program in its first line, ${quoted(line)}, does not start: ${reason}${cure}`;
}

/** The failure as reported by the buildlet; undefined when it succeeded. */
async function runToEnd(
  client: BuildletClient,
  request: SessionRequest,
  output: Writable,
  signal: AbortSignal,
): Promise<string | undefined> {
  const session = client.sessions.get(randomId());
  try {
    if (await session.start(request, { signal })) {
      const { end, lostBytes } = await session.read({ stdout: output, stderr: output, signal });
      if (lostBytes > 0) return `${lostBytes} bytes of its output were lost`;
      return end.code === 0 ? undefined : (end.error ?? end.state);
    }
  } catch (error) {
    if (session.mayRun) await session.kill('SIGKILL').catch(() => undefined);
    throw error;
  }
  const { cmd, env: extraEnv, tty: _, ...others } = request;
  const { ok, state } = await client.exec(cmd, { ...others, extraEnv, output, signal });
  return ok ? undefined : state;
}

/** Forwards output, and keeps the end of it. */
class Tail extends Writable {
  #end = '';

  constructor(output: Writable | undefined) {
    super({
      write: (chunk: Buffer, _encoding, done) => {
        this.#end = (this.#end + chunk.toString('utf8')).slice(-shownLength);
        if (output === undefined) done();
        else output.write(chunk, done);
      },
    });
  }

  /** The last lines, as part of a message. */
  get shown(): string {
    const lines = this.#end.trim().split('\n').slice(-3);
    return lines.join('') === '' ? '' : `: ${printable(lines.join(' / '))}`;
  }
}
