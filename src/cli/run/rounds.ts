// Repeats one command: until its output matches, or until it succeeds.
import { GomoteError, isGomoteError } from '../../errors.ts';
import { compileGoPattern } from '../../go-pattern.ts';
import { shortDuration } from '../../gomote/run/ending.ts';
import { plural } from '../../plural.ts';
import { exitCodes } from '../exit-codes.ts';
import { OutputSearch } from './output-search.ts';
import type { Round, Run } from './run.ts';
import type { RunRecord } from './run-report.ts';

type RunOnce = (round: Round) => Promise<number>;

/** Runs the command as often as the options say. Returns gomote's exit status. */
export async function runRounds(run: Run, once: RunOnce): Promise<number> {
  if (run.context.terminal.input === 'data')
    run.context.messages.remark('a command that may run again gets no standard input');
  const { until, retry = 0 } = run.options;
  return until === undefined
    ? await runUntilItPasses(retry, run, once)
    : await runUntil(until, run, once);
}

type Outcome = number | GomoteError;

/** Runs the command once. Throws, and so ends the rounds, for a failure that is not the command's. */
async function outcomeOf(record: RunRecord, running: Promise<number>): Promise<Outcome> {
  try {
    return await running;
  } catch (error) {
    // Without a session, the command's time limit is the only one.
    const isLate = record.id === null || ['timeout', 'idle'].includes(record.end?.why ?? '');
    if (isLate && isGomoteError(error, 'ERR_TIMEOUT')) return error;
    throw error;
  }
}

function statusOf(outcome: Outcome): number {
  if (typeof outcome === 'number') return outcome;
  throw outcome;
}

async function runUntil(until: string, run: Run, once: RunOnce): Promise<number> {
  const { options, context, record } = run;
  const { name } = run.command;
  const pattern = await compileGoPattern('--until', until);
  // 0 means no limit, as in Go.
  const endsAtMs = options.timeout ? performance.now() + options.timeout : Infinity;
  for (let tries = 1; ; tries++) {
    record.tries = tries;
    record.end = undefined;
    const search = new OutputSearch(pattern);
    const leftMs = Math.max(1, Math.ceil(endsAtMs - performance.now()));
    const timeoutMs = endsAtMs === Infinity ? undefined : leftMs;
    const outcome = await outcomeOf(record, once({ taps: [search], timeoutMs }));
    if (record.received !== undefined) return statusOf(outcome);
    if (search.end()) {
      context.messages.say(`# Match found on "${name}".`);
      if (tries > 1) context.messages.remark(`run ${tries} matched`);
      return statusOf(outcome);
    }
    context.signal.throwIfAborted();
    if (performance.now() >= endsAtMs) throw outOfTime(name, tries, options.timeout ?? 0);
    // A limit of its own, such as --idle-timeout, is one more way to end.
    if (tries === options.max) {
      context.messages.remark(`no match on ${name} in ${plural(tries, 'run')}`);
      record.origin = 'until';
      return exitCodes.failed;
    }
    context.messages.say(`# No match found on "${name}", running again...`);
    const of = options.max === undefined ? '' : ` of ${options.max}`;
    context.messages.remark(`run ${tries + 1}${of} on ${name}`);
  }
}

const outOfTime = (name: string, tries: number, limitMs: number): GomoteError =>
  new GomoteError(
    'ERR_TIMEOUT',
    `no match on ${name} in ${plural(tries, 'run')}, after ${shortDuration(limitMs)} (--timeout)`,
  );

async function runUntilItPasses(retries: number, run: Run, once: RunOnce): Promise<number> {
  const { options, context, record } = run;
  const most = retries + 1;
  for (let tries = 1; ; tries++) {
    record.tries = tries;
    record.end = undefined;
    const outcome = await outcomeOf(record, once({ taps: [], timeoutMs: options.timeout }));
    if (record.received !== undefined) return statusOf(outcome);
    context.signal.throwIfAborted();
    if (outcome === 0) {
      if (tries > 1) context.messages.remark(`try ${tries} of ${most} passed`);
      return 0;
    }
    const how =
      typeof outcome === 'number' ? `failed with exit status ${outcome}` : 'ran out of time';
    if (tries === most) {
      context.messages.remark(`try ${tries} of ${most} ${how}; none passed`);
      return statusOf(outcome);
    }
    context.messages.remark(`try ${tries} of ${most} ${how}; trying again`);
  }
}
