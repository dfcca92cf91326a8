// The coordinator as a program: arguments in, exit code out.
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { outputStream } from '../files/own-streams.ts';
import { readVersion } from '../package-root.ts';
import { handledSignals, type StartState } from '../start-state.ts';
import type { Log } from './log.ts';
import { type CoordinatorCommand, helpText, readCommand } from './options.ts';

/** Runs one command line; the result is the process's exit code. */
export async function run(argv: readonly string[], state: StartState = {}): Promise<number> {
  // Whoever read our output may have gone; that is no reason to end.
  const output = outputStream(1, state.isOutputClosed);
  for (const stream of [output, process.stderr]) stream.on('error', () => undefined);
  try {
    await perform(readCommand(argv), state);
    return 0;
  } catch (error) {
    const hint = isGomoteError(error) && error.hint !== undefined ? `; ${error.hint}` : '';
    process.stderr.write(`coordinator: ${messageOf(error)}${hint}\n`);
    return isGomoteError(error, 'ERR_USAGE') ? 2 : 1;
  }
}

async function perform(command: CoordinatorCommand, state: StartState): Promise<void> {
  switch (command.kind) {
    case 'help':
      return await print(helpText);
    case 'version':
      return await print(`${readVersion()}\n`);
    case 'serve':
      return await serveUntilTold(command.config, handledSignals(endingSignals, state));
    case 'check': {
      const { checkPromises } = await import('./pools/promises.ts');
      const { pools } = await load(command.config);
      const promises = await checkPromises(pools, process.env);
      const count = `${pools.length} ${pools.length === 1 ? 'pool' : 'pools'}`;
      return await print(`${command.config}: good: ${count}\n${promises}`);
    }
    default: {
      const { administer } = await import('./administration.ts');
      return await administer(command, await load(command.config), print);
    }
  }
}

async function load(path: string) {
  const { loadCoordinatorConfig } = await import('./config.ts');
  return loadCoordinatorConfig(path);
}

async function serveUntilTold(path: string, signals: readonly NodeJS.Signals[]): Promise<void> {
  const config = await load(path);
  const { serve } = await import('./serve.ts');
  const { jsonLog } = await import('./log.ts');
  const log = jsonLog((line) => void print(line).catch(() => undefined));
  logUnhandled(log);
  const waiting = new AbortController();
  let onLost: () => void = () => undefined;
  const lost = new Promise<string>((resolve) => {
    onLost = () => resolve('its state directory is another’s');
  });
  const stopRequest = Promise.race([nextSignal(signals), lost]);
  void stopRequest.then(() =>
    waiting.abort(new GomoteError('ERR_ABORTED', 'ended while it waited')),
  );
  const { signal } = waiting;
  const serving = await serve(config, { environment: process.env, log, signal, onLost });
  const first = await stopRequest;
  log.write('draining', { signal: first, graceMs: config.drainMs });
  // A second signal ends the process at once.
  const impatient = new Promise<'now'>((resolve) => {
    for (const name of signals) process.once(name, () => resolve('now'));
  });
  const drained = serving.drain(config.drainMs);
  if ((await Promise.race([drained, impatient])) === 'now') {
    serving.hurry();
    await drained;
    throw new GomoteError('ERR_ABORTED', 'ended before running requests were over');
  }
}

/** An unhandled rejection is a fault of this program: it is logged with its stack, and work goes on. */
function logUnhandled(log: Log): void {
  let count = 0;
  process.on('unhandledRejection', (reason) => {
    const stack = reason instanceof Error ? reason.stack : undefined;
    log.write('unhandled', { what: messageOf(reason), stack, count: ++count });
  });
}

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const nextSignal = (signals: readonly NodeJS.Signals[]): Promise<string> =>
  new Promise((resolve) => {
    for (const name of signals) process.once(name, () => resolve(name));
  });

const print = (text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    outputStream(1).write(text, (error) => (error ? reject(error) : resolve()));
  });
