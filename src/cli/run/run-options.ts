// The options of `gomote run`, and which of them exclude each other.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError } from '../../errors.ts';
import { isSessionId } from '../../protocol/session.ts';

export interface RunOptions {
  system?: boolean;
  debug?: boolean;
  env?: string[];
  envFile?: string[];
  firewall?: boolean;
  path?: string[];
  dir?: string;
  builderenv?: string;
  interactive?: boolean;
  tty?: boolean;
  timeout?: number;
  idleTimeout?: number;
  killAfter?: number;
  reconnect?: number;
  forward?: boolean;
  detach?: boolean;
  id?: string;
  onHangup?: 'kill' | 'detach';
  statusJson?: string;
  until?: string;
  max?: number;
  retry?: number;
  collect?: boolean;
  get?: string[];
  require?: string[];
  junit?: string[];
  junitOutput?: string;
  failOnTestFailures?: boolean;
  time?: boolean;
  timestamps?: boolean;
  break?: string;
  bundleOnFailure?: string;
  onFailure?: 'shell' | 'keep';
}

/** Where the merged JUnit report is written, in the current directory. */
export const defaultReport = 'junit.xml';

/** Whether the options ask for work after the run. */
export const needsAfter = ({ collect, get = [], require = [], junit = [] }: RunOptions): boolean =>
  collect === true || get.length + require.length + junit.length > 0;

/** An option that can be repeated has a list. */
const isGiven = (value: RunOptions[keyof RunOptions]): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== undefined;

const contradict = (one: string, other: string, hint = 'give one of them'): GomoteError =>
  new GomoteError('ERR_USAGE', `${one} and ${other} contradict`, { hint });

/** Options that need the end of a run, or more than one run, and how they are written. */
const needEnd: ReadonlyArray<[keyof RunOptions, string]> = [
  ['until', '--until'],
  ['retry', '--retry'],
  ['collect', '--collect'],
  ['time', '--time'],
  ['forward', '--forward'],
  ['timestamps', '--timestamps'],
  ['get', '--get'],
  ['require', '--require'],
  ['junit', '--junit'],
  ['bundleOnFailure', '--bundle-on-failure'],
  ['onFailure', '--on-failure'],
];

/** Throws ERR_USAGE for options that exclude each other. */
export function checkRunOptions(options: RunOptions): void {
  const { id, until, retry, max, detach, statusJson } = options;
  if (id !== undefined && !isSessionId(id)) {
    throw new GomoteError('ERR_USAGE', `--id "${id}" is not an id`, {
      hint: 'give 1 to 64 letters, digits, - and _',
    });
  }
  if (detach && statusJson !== undefined) {
    const message = '--status-json tells how a run ended, and --detach does not wait for that';
    throw new GomoteError('ERR_USAGE', message, {
      hint: 'leave one of them out; gomote ps --json NAME tells it later',
    });
  }
  const given = needEnd.find(([key]) => isGiven(options[key]))?.[1];
  if (detach && given !== undefined)
    throw contradict(given, '--detach', '--detach does not wait for the end of the run');
  if (max !== undefined && until === undefined) {
    throw new GomoteError('ERR_USAGE', '--max counts the runs of --until', {
      hint: 'give --until RE, or leave --max out',
    });
  }
  if (options.timestamps && until !== undefined)
    throw contradict(
      '--until',
      '--timestamps',
      'gomote logs --timestamps has the times of each run',
    );
  if (options.timestamps && options.tty) throw contradict('-t', '--timestamps');
  const ofReports = options.junitOutput ? '--junit-output' : '--fail-on-test-failures';
  const isOfReports = options.junitOutput !== undefined || options.failOnTestFailures;
  if (isOfReports && !isGiven(options.junit)) {
    throw new GomoteError('ERR_USAGE', `${ofReports} is about the reports of --junit`, {
      hint: `give --junit PATTERN, or leave ${ofReports} out`,
    });
  }
  const again = until !== undefined ? '--until' : retry !== undefined ? '--retry' : undefined;
  if (again === undefined) return;
  if (until !== undefined && retry !== undefined) throw contradict('--until', '--retry');
  if (id !== undefined)
    throw contradict(again, '--id', 'a run of an id that is there is not started again');
  if (options.interactive || options.tty)
    throw contradict(again, options.tty ? '-t' : '-i', 'standard input can be read only once');
}

/** The value of --on-hangup; throws ERR_USAGE. */
export function parseOnHangup(text: string): 'kill' | 'detach' {
  if (text === 'kill' || text === 'detach') return text;
  throw new GomoteError('ERR_USAGE', `--on-hangup "${text}" is neither kill nor detach`, {
    hint: 'give one of them',
  });
}

/** Options that need a session, and how they are written. */
const needSession: ReadonlyArray<[keyof RunOptions, string]> = [
  ['break', '--break'],
  ['detach', '--detach'],
  ['id', '--id'],
  ['idleTimeout', '--idle-timeout'],
  ['interactive', '-i'],
  ['killAfter', '--kill-after'],
  ['onHangup', '--on-hangup'],
  ['timestamps', '--timestamps'],
  ['tty', '-t'],
];

/** Throws ERR_UNSUPPORTED for an option that the base protocol does not support. */
export function requireNoSessionOption({ name }: BuildletClient, options: RunOptions): void {
  const [, option] = needSession.find(([key]) => options[key]) ?? [];
  if (option !== undefined) {
    throw new GomoteError('ERR_UNSUPPORTED', `${name} has no sessions, which ${option} needs`, {
      hint: `leave ${option} out, or run a newer buildlet there`,
    });
  }
}
