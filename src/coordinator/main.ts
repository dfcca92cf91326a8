// The coordinator as a program: arguments in, exit code out.
import { join } from 'node:path';
import { GomoteError, isGomoteError, messageAndHint, messageOf } from '../errors.ts';
import { outputStream } from '../files/own-streams.ts';
import { readVersion } from '../package-root.ts';
import { plural } from '../plural.ts';
import { handledSignals, type StartState } from '../start-state.ts';
import type { CoordinatorConfig } from './config.ts';
import type { Log } from './log.ts';
import { type CoordinatorCommand, helpText, readCommand } from './options.ts';
import type { Serving } from './serve.ts';

/** Runs one command line. Returns the process's exit code. */
export async function run(argv: readonly string[], state: StartState = {}): Promise<number> {
  // The reader of our output may be gone; that is no reason to end.
  const output = outputStream(1, state.isOutputClosed);
  for (const stream of [output, process.stderr]) stream.on('error', () => undefined);
  try {
    await perform(readCommand(argv), state);
    return 0;
  } catch (error) {
    process.stderr.write(`coordinator: ${messageAndHint(error)}\n`);
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
    case 'check':
      return await checkAll(command.config);
    case 'reload': {
      const { askToReload } = await import('./reload-command.ts');
      await askToReload(await load(command.config));
      return await print('reloaded\n');
    }
    case 'usage': {
      const { parseSince, usageSince, usageText } = await import('./usage.ts');
      const { stateDirectory } = await load(command.config);
      const sinceAtMs = parseSince(command.since);
      const rows = await usageSince(join(stateDirectory, 'audit.jsonl'), sinceAtMs);
      return await print(usageText(rows, command.isJson));
    }
    case 'history': {
      const { parseSince } = await import('./usage.ts');
      const { historyText, pastBuildlets } = await import('./history-command.ts');
      const sinceAtMs = parseSince(command.since);
      const past = await pastBuildlets(await load(command.config), sinceAtMs);
      return await print(historyText(past, command.isJson));
    }
    default: {
      const { administer } = await import('./administration.ts');
      return await administer(command, await load(command.config), print);
    }
  }
}

/** Prints all faults but the last, which it throws as ERR_CONFIG. */
async function checkAll(path: string): Promise<void> {
  const { check } = await import('./check.ts');
  const config = await load(path);
  const { faults, warnings, promises } = await check(config, process.env);
  for (const warning of warnings) process.stderr.write(`coordinator: warning: ${warning}\n`);
  const last = faults.pop();
  for (const fault of faults) process.stderr.write(`coordinator: ${fault}\n`);
  if (last !== undefined) throw new GomoteError('ERR_CONFIG', last);
  const { length } = config.pools;
  await print(`${path}: good: ${plural(length, 'pool')}\n${promises}`);
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
  const endTracing = await tracingOf(process.env, log);
  const starting = serve(config, { environment: process.env, log, signal, onLost });
  reloadAtHangup({ path, config, starting, log });
  const serving = await starting;
  const first = await stopRequest;
  log.write('draining', { signal: first, graceMs: config.drainMs });
  // A second signal ends the process at once.
  const impatient = new Promise<'now'>((resolve) => {
    for (const name of signals) process.once(name, () => resolve('now'));
  });
  const drained = serving.drain(config.drainMs).finally(endTracing);
  if ((await Promise.race([drained, impatient])) === 'now') {
    serving.hurry();
    await drained;
    throw new GomoteError('ERR_ABORTED', 'ended before running requests were over');
  }
}

/** Traces where the environment says where to; what it gives sends the last of them. */
async function tracingOf(environment: NodeJS.ProcessEnv, log: Log): Promise<() => Promise<void>> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT } = environment;
  if (!OTEL_EXPORTER_OTLP_ENDPOINT && !OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) return async () => {};
  return (await import('./tracing.ts')).startTracing(environment, log);
}

/** Reads the configuration again at each SIGHUP, one after the other. */
function reloadAtHangup({ path, config, starting, log }: Reloading): void {
  const reload = async () => {
    const { writeOutcome } = await import('./reload-command.ts');
    try {
      await (await starting).reload(await load(path));
      await writeOutcome(config.stateDirectory, {});
    } catch (error) {
      const hint = isGomoteError(error) ? error.hint : undefined;
      log.write('reload-refused', { what: messageOf(error), hint });
      await writeOutcome(config.stateDirectory, { error: messageOf(error), hint });
    }
  };
  let last = Promise.resolve();
  process.on('SIGHUP', () => {
    last = last.then(reload).catch((error: unknown) => {
      log.write('trouble', { what: `reload: ${messageOf(error)}` });
    });
  });
}

interface Reloading {
  readonly path: string;
  readonly config: CoordinatorConfig;
  readonly starting: Promise<Serving>;
  readonly log: Log;
}

/** An unhandled rejection is a bug in this program: it is logged with its stack, and the program continues. */
function logUnhandled(log: Log): void {
  let count = 0;
  process.on('unhandledRejection', (reason) => {
    const stack = reason instanceof Error ? reason.stack : undefined;
    log.write('unhandled', { what: messageOf(reason), stack, count: ++count });
  });
}

const endingSignals = ['SIGINT', 'SIGTERM'] as const;

const nextSignal = (signals: readonly NodeJS.Signals[]): Promise<string> =>
  new Promise((resolve) => {
    for (const name of signals) process.once(name, () => resolve(name));
  });

const print = (text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    outputStream(1).write(text, (error) => (error ? reject(error) : resolve()));
  });
