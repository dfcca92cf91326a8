// Starts a command on a buildlet, as a session if the buildlet supports them, otherwise by the base protocol; or attaches to a run.
import type { CallOptions } from '../../client/client-options.ts';
import { withOutputs, withStream } from '../../client/given-streams.ts';
import { randomId } from '../../client/random-id.ts';
import type { LogOutputs } from '../../client/runs/log-outputs.ts';
import type { Session } from '../../client/runs/session.ts';
import { GomoteError, NotStartedError, unlessAborted } from '../../errors.ts';
import type { SessionRequest } from '../../protocol/session.ts';
import { anySignal } from '../../timeout-signal.ts';
import { checkOutputs, checkText } from '../arguments.ts';
import type { ConnectedBuildlet } from '../connected-buildlet.ts';
import type { Noted } from '../failure/write-bundle.ts';
import { bytesOf } from '../sources.ts';
import { runByBase } from './base.ts';
import { requireBreak } from './break.ts';
import { failureOf } from './ending.ts';
import { follow } from './follow.ts';
import { defaultKillAfterMs, lostRun } from './lost.ts';
import type { AttachOptions, OutputOptions, RunOptions } from './options.ts';
import { type Outputs, through } from './outputs.ts';
import { type CommandEnd, Run } from './run.ts';
import { startFailure } from './start-failure.ts';

interface RunPlace extends Pick<ConnectedBuildlet, 'name' | 'client'> {
  /** Runs `work`, and explains its failure by the backend. */
  readonly explained: <T>(work: () => Promise<T>) => Promise<T>;
  /** Aborts all calls to the buildlet. */
  readonly signal: AbortSignal;
}

type Source = AsyncIterable<Uint8Array>;

interface Parts {
  readonly outputs: Outputs;
  /** Aborts when the run is detached. */
  readonly leaving: AbortSignal;
  readonly source: Source | undefined;
  readonly noted: Noted | undefined;
}

/** Starts a command immediately. `makeRequest` returns the request. */
export function startRun(
  { name, client, explained, signal: ending }: RunPlace,
  makeRequest: () => Promise<SessionRequest>,
  options: RunOptions,
): Run {
  const { id = randomId(), reconnectMs, onLost, stdin } = options;
  const killAfterMs = options.killAfterMs ?? defaultKillAfterMs;
  const { breakOn, onStandstill } = options;
  const times = options.bundleOnFailure !== undefined;
  const session = client.sessions.get(id, { reconnectMs, onStandstill, times });
  // Calls on the handle wait until the buildlet knows the run.
  const runStart = new RunStart(name);
  const aborting = new AbortController();
  const signal = anySignal(ending, aborting.signal, options.signal);
  const run = async (outputs: Outputs, leaving: AbortSignal, source?: Source) => {
    const made = await makeRequest();
    const request = { ...made, tty: options.tty, stdin: source !== undefined, breakOn };
    const until = anySignal(signal, leaving);
    if (breakOn !== undefined) await requireBreak(client, breakOn, { signal: until });
    const file = options.bundleOnFailure;
    const started = (noted?: Noted) =>
      runToEnd(request, until, { outputs, leaving, source, noted });
    if (file === undefined) return await started();
    const { bundled } = await import('../failure/write-bundle.ts');
    const isLeft = () => leaving.aborted;
    return await bundled({ client, name, id, request }, { file, signal: until, isLeft }, started);
  };
  const runToEnd = async (
    request: SessionRequest,
    until: AbortSignal,
    { outputs, leaving, source, noted }: Parts,
  ) => {
    try {
      if (!runStart.with(await session.start(request, { signal: until, onLost }))) {
        const take = takerOf(options, noted);
        const output = take === undefined ? outputs.stdout : through(take, outputs.stdout);
        return await runByBase(client, request, { output, signal: until });
      }
      const reading = { signal: until, options, source, limits: request };
      return await readToEnd(session, outputs, reading, noted);
    } catch (error) {
      if (error instanceof NotStartedError) throw startFailure(error, request.cmd, request.dir);
      if (leaving.aborted || !session.mayRun) throw error;
      throw await lostRun(error, session, { name, killAfterMs });
    }
  };
  const work = (outputs: Outputs, leaving: AbortSignal) =>
    stdin === undefined
      ? run(outputs, leaving)
      : withStream(
          bytesOf(stdin),
          () => signal,
          (source) => run(outputs, leaving, source),
        );
  return runOf(session, runStart, aborting, options, (outputs, leaving) =>
    runStart.orFail(explained(() => work(outputs, leaving))),
  );
}

export function attachRun(
  { name, client, explained, signal: ending }: RunPlace,
  id: string,
  options: AttachOptions,
): Run {
  checkText('the id', id);
  checkOutputs(options);
  const { reconnectMs, onStandstill, from } = options;
  const session = client.sessions.get(id, { reconnectMs, onStandstill });
  const runStart = new RunStart(name);
  runStart.with(true);
  const aborting = new AbortController();
  return runOf(session, runStart, aborting, options, (outputs, leaving) => {
    const reading = {
      signal: anySignal(ending, aborting.signal, leaving, options.signal),
      options,
      from,
    };
    return explained(() => readToEnd(session, outputs, reading));
  });
}

function runOf(
  session: Session,
  runStart: RunStart,
  aborting: AbortController,
  { stdout, stderr, maxBuffer }: OutputOptions,
  work: (outputs: Outputs, leaving: AbortSignal) => Promise<CommandEnd>,
): Run {
  return new Run({
    id: session.id,
    maxBuffer,
    work: (outputs, leaving) => {
      if (stdout !== undefined) outputs.copyTo('stdout', stdout);
      if (stderr !== undefined) outputs.copyTo('stderr', stderr);
      return withOutputs([stdout, stderr], () => work(outputs, leaving));
    },
    kill: (killSignal, options) =>
      runStart.andThen(() => session.kill(killSignal, options), options),
    resize: (columns, rows, { signal }) =>
      runStart.andThen(() => session.resize(columns, rows, signal), { signal }),
    leave: ({ signal }) => runStart.andThen(() => session.detach(signal), { signal }),
    abort: (reason) => aborting.abort(reason),
  });
}

interface Reading {
  readonly signal: AbortSignal;
  readonly options: OutputOptions;
  readonly from?: number | 'end' | undefined;
  readonly source?: Source | undefined;
  readonly limits?: SessionRequest | undefined;
}

async function readToEnd(
  session: Session,
  { stdout, stderr }: Outputs,
  { options, source, limits, ...where }: Reading,
  noted?: Noted,
): Promise<CommandEnd> {
  const input = source && { source };
  const { onLost, onGap } = options;
  const reading = { ...where, stdout, stderr, edit: takerOf(options, noted), onLost, onGap };
  const { end, lostBytes } = await follow(session, reading, input);
  if (noted !== undefined) noted.end = end;
  const failure = failureOf(end, lostBytes, limits);
  if (failure !== undefined) throw failure;
  return { exitCode: end.code ?? undefined, signal: end.signal ?? undefined };
}

/** What sees the output before it is written: the recorder of a bundle, and the caller. */
function takerOf({ onOutput }: OutputOptions, noted: Noted | undefined): LogOutputs['edit'] {
  const take = noted?.recorder.take;
  if (onOutput === undefined) return take;
  return (bytes, stream, atMs) => {
    take?.(bytes, stream, atMs);
    onOutput(bytes, stream);
    return bytes;
  };
}

class RunStart {
  readonly #name: string;
  #resolve: (isSession: boolean) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  readonly #isSession = new Promise<boolean>((resolve, reject) => {
    this.#resolve = resolve;
    this.#reject = reject;
  });

  /** @param name The buildlet. */
  constructor(name: string) {
    this.#name = name;
    this.#isSession.catch(() => undefined);
  }

  /** Marks the run as started, as a session or not; returns the argument. */
  with(isSession: boolean): boolean {
    this.#resolve(isSession);
    return isSession;
  }

  /** When `run` fails before it has started, it never will. */
  async orFail<T>(run: Promise<T>): Promise<T> {
    try {
      return await run;
    } catch (error) {
      this.#reject(error);
      throw error;
    }
  }

  /** Calls `work` once the run has started. Fails like the run if it never starts, and with ERR_UNSUPPORTED without sessions. */
  async andThen(act: () => Promise<void>, { signal }: CallOptions = {}): Promise<void> {
    if (await unlessAborted(this.#isSession, signal)) return await act();
    throw new GomoteError('ERR_UNSUPPORTED', `${this.#name} has no sessions`, {
      hint: 'end the command by the signal of its run',
    });
  }
}
