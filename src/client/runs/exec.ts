// Running a command over `/exec`: its output, and proof of how it ended.
import { type Readable, Writable } from 'node:stream';
import { GomoteError, isGomoteError, NotStartedError } from '../../errors.ts';
import { transportError } from '../../http/client/request.ts';
import { quoted } from '../../printable.ts';
import { contentTypes, endpoints, processStateTrailer } from '../../protocol/endpoints.ts';
import { encodeExecForm } from '../../protocol/exec.ts';
import type { FormValue } from '../../protocol/form.ts';
import { parseProcessState } from '../../protocol/process-state.ts';
import { longTimer } from '../../timeout-signal.ts';
import type { Connection } from '../connection.ts';
import { outputFailure } from '../given-streams.ts';
import { lostTrailerHint, namedReply, trailerOf } from '../late-trailer.ts';
import { timeLimitMs } from '../time-limit.ts';
import { copyOutput } from './copy-output.ts';

/** What `exec` takes. */
export interface ExecOptions {
  /**
   * Takes stdout and stderr, merged, as bytes; a slow one slows the command. It is not ended. Absent: the
   * output is discarded.
   */
  output?: Writable | undefined;
  /** Where to run. Absent: the command's directory, or the work directory if `systemLevel`. */
  dir?: string | undefined;
  /** Text, or bytes where they are not UTF-8. Absent: none. */
  args?: readonly FormValue[] | undefined;
  /** `KEY=VALUE`, appended to the buildlet's environment; the last of equal names wins. */
  extraEnv?: readonly string[] | undefined;
  /**
   * The command's PATH. Absent: as the buildlet's. Empty: none. Else the elements, where one equal to `$PATH`
   * stands for the old ones and `$WORKDIR` inside one for the work directory.
   */
  path?: readonly string[] | undefined;
  /** Run `cmd` as given or found on PATH, not relative to the work directory. Default false. */
  systemLevel?: boolean | undefined;
  /** Let the buildlet write a line about the command before its output. Default false. */
  debug?: boolean | undefined;
  /** Called when the buildlet has taken the command, before its output. What it throws ends the command and the call. */
  onStartExec?: (() => void) | undefined;
  /**
   * The command's longest time, in ms, of any length; then ERR_TIMEOUT, and the client is broken. 0, Infinity or absent:
   * no limit.
   */
  timeoutMs?: number | undefined;
  /** Ends the command, with its whole process group, by leaving; the call fails with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
}

/** How a command ended. A failed command is a result, not an error. */
export interface ExecResult {
  /** Whether the exit status is 0. */
  readonly ok: boolean;
  /** The exit status; undefined when a signal ended the command. */
  readonly exitCode: number | undefined;
  /** The signal that ended the command, such as SIGKILL; otherwise undefined. */
  readonly signal: string | undefined;
  /** That signal's number on Linux. */
  readonly signalNumber: number | undefined;
  /** The buildlet's words: `ok`, `exit status 7`, `signal: killed`. */
  readonly state: string;
}

/** The buildlet sends its reply's header before the command runs, so a longer wait means a dead one. */
const headersTimeoutMs = 10_000;

export async function exec(
  connection: Connection,
  cmd: string,
  options: ExecOptions,
): Promise<ExecResult> {
  const { output } = options;
  const timeoutMs = timeLimitMs('timeoutMs', options.timeoutMs);
  const failure = output && outputFailure(output);
  if (failure !== undefined) throw failure;
  const outOfTime = timeoutMs === undefined ? undefined : timeLimit(timeoutMs);
  const signal = connection.signalWith(options.signal, outOfTime?.signal);
  try {
    const headers = { 'Content-Type': contentTypes.form, ...namedReply() };
    const response = await connection.call({
      method: 'POST',
      path: endpoints.exec.path,
      headers,
      body: encodeExecForm({
        cmd,
        systemLevel: options.systemLevel ?? false,
        dir: options.dir ?? '',
        args: options.args ?? [],
        env: [...(connection.options.env ?? []), ...(options.extraEnv ?? [])],
        path: options.path ?? connection.options.path,
        debug: options.debug ?? false,
      }),
      signal,
      headersTimeoutMs,
    });
    tellStart(options.onStartExec, response.body);
    await copyOutput(response.body, output ?? nowhere(), (error) =>
      transportError(error, signal, 'ERR_LOST'),
    );
    const state = await trailerOf(connection, response, {
      ...{ name: processStateTrailer, headers, signal },
    });
    return resultOf(state ?? '');
  } catch (error) {
    // The command timed out, or the buildlet did not even accept it: it has nothing more to send.
    if (isGomoteError(error, 'ERR_TIMEOUT') || isGomoteError(error, 'ERR_BROKEN')) {
      connection.fail(error);
    }
    throw error;
  } finally {
    outOfTime?.stop();
  }
}

/** A caller that fails to hear of the start does not want the command, which ends when its reply is left. */
function tellStart(onStartExec: (() => void) | undefined, body: Readable): void {
  try {
    onStartExec?.();
  } catch (error) {
    body.destroy();
    throw error;
  }
}

const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });

function resultOf(text: string): ExecResult {
  const state = parseProcessState(text);
  if (state === undefined) {
    const said = text === '' ? '' : `: the buildlet says ${quoted(text)}`;
    const message = `the output ended without word of how the command ended${said}`;
    throw new GomoteError('ERR_LOST', message, { hint: text === '' ? lostTrailerHint : undefined });
  }
  if (state.kind === 'not-started') throw new NotStartedError(text, state.reason);
  const exited = state.kind === 'exited';
  return {
    ok: exited && state.exitCode === 0,
    exitCode: exited ? state.exitCode : undefined,
    signal: exited ? undefined : state.signal,
    signalNumber: exited ? undefined : state.signalNumber,
    state: text,
  };
}

function timeLimit(timeoutMs: number): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const timer = longTimer(() => {
    const message = `timeout waiting for command to complete (${timeoutMs} ms)`;
    controller.abort(new GomoteError('ERR_TIMEOUT', message));
  }, timeoutMs);
  return { signal: controller.signal, stop: () => timer.clear() };
}
