// The options of `gomote run`, and which of them exclude each other.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError } from '../../errors.ts';
import { isSessionId } from '../../protocol/session.ts';
import { contradiction, optionOf } from '../values.ts';

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

export const needsAfter = ({ collect, get = [], require = [], junit = [] }: RunOptions): boolean =>
  collect === true || get.length + require.length + junit.length > 0;

/** An option that can be repeated has a list. */
const isGiven = (value: RunOptions[keyof RunOptions]): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== undefined;

/** Options that need the end of a run, or more than one run. */
const needEnd = [
  ...(['until', 'retry', 'collect', 'time', 'forward', 'timestamps'] as const),
  ...(['get', 'require', 'junit', 'bundleOnFailure', 'onFailure'] as const),
];

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
  const given = needEnd.find((key) => isGiven(options[key]));
  if (detach && given !== undefined)
    throw contradiction(
      optionOf(given),
      '--detach',
      '--detach does not wait for the end of the run',
    );
  if (max !== undefined && until === undefined) {
    throw new GomoteError('ERR_USAGE', '--max counts the runs of --until', {
      hint: 'give --until RE, or leave --max out',
    });
  }
  if (options.timestamps && until !== undefined)
    throw contradiction(
      '--until',
      '--timestamps',
      'gomote logs --timestamps has the times of each run',
    );
  if (options.timestamps && options.tty) throw contradiction('-t', '--timestamps');
  const ofReports = options.junitOutput ? '--junit-output' : '--fail-on-test-failures';
  const isOfReports = options.junitOutput !== undefined || options.failOnTestFailures;
  if (isOfReports && !isGiven(options.junit)) {
    throw new GomoteError('ERR_USAGE', `${ofReports} is about the reports of --junit`, {
      hint: `give --junit PATTERN, or leave ${ofReports} out`,
    });
  }
  const again = until !== undefined ? '--until' : retry !== undefined ? '--retry' : undefined;
  if (again === undefined) return;
  if (until !== undefined && retry !== undefined) throw contradiction('--until', '--retry');
  if (id !== undefined)
    throw contradiction(again, '--id', 'a run of an id that is there is not started again');
  if (options.interactive || options.tty)
    throw contradiction(again, options.tty ? '-t' : '-i', 'standard input can be read only once');
}

/** Options that need a session. */
const needSession = [
  ...(['break', 'detach', 'id', 'idleTimeout', 'interactive'] as const),
  ...(['killAfter', 'onHangup', 'timestamps', 'tty'] as const),
];

/** Throws ERR_UNSUPPORTED for an option that the base protocol does not support. */
export function requireNoSessionOption({ name }: BuildletClient, options: RunOptions): void {
  const key = needSession.find((one) => options[one]);
  if (key === undefined) return;
  const option = optionOf(key);
  throw new GomoteError('ERR_UNSUPPORTED', `${name} has no sessions, which ${option} needs`, {
    hint: `leave ${option} out, or run a newer buildlet there`,
  });
}
