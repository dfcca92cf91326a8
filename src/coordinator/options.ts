// The coordinator's command line.
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { didYouMean } from '../did-you-mean.ts';
import { parseDuration } from '../duration.ts';
import { GomoteError, messageOf } from '../errors.ts';
import { type Priority, priorities, toPriority } from '../protocol/priority.ts';
import { type Role, roles, type UserChanges } from './state/user-records.ts';

export const helpText = `Usage: coordinator COMMAND --config FILE [options]

Shares buildlets in a team: one address that knows its users, finds or makes
machines, and relays everything to them.

Commands:
  serve                  serve until SIGTERM or SIGINT; running requests then
                         finish first
  check                  read the configuration and every file that it names,
                         say what is wrong or dangerous, and end
  reload                 let the coordinator that runs read its configuration
                         again, as SIGHUP does: limits, pools, users, files of
                         the certificate, and the audit file
  user add NAME          add a user and print the token, once [--role ROLE]
                         [--maximum N] [--priority LEVEL] [--expires WHEN]
  user set NAME          change role, limits or end of a user; the token stays
  user list              print the users
  user remove NAME       remove a user; --end or --keep says what becomes of
                         buildlets
  user rotate NAME       print a new token [--overlap DURATION] [--expires WHEN]
  usage                  print what users had, by the audit trail [--by user]
                         [--since 7d|2026-11-01] [--json]; default: 30d
  history                print buildlets with their runs, also those that have
                         ended [--since 7d|2026-11-01] [--json]; default: all
                         that is kept ("history" in the configuration)
  machine list           print the machines of the running coordinator, with
                         state and user [--json]
  machine drain NAME     lend the machine to nobody any more [--note TEXT];
                         who has it keeps it
  machine undrain NAME   lend it again

Options:
  --config FILE          the configuration (default: coordinator.toml)
  --role ROLE            user (default), admin: sees, reaches and ends the
                         buildlets of all; metrics: may only read /metrics
  --admin                as --role admin
  --maximum N            how many buildlets the user may have at once; none:
                         as many as the configuration says
  --priority LEVEL       the highest priority of the user's creates: low,
                         normal or high; none: as the configuration says
  --expires WHEN         when the token ends: a date such as 2027-01-31, a
                         time from now such as 90d or 8h, or never
  --overlap DURATION     how long the old token is good beside the new one
                         (default: not at all)
  --end                  the user's buildlets are ended
  --keep                 they stay until their time is over, for admins
  --note TEXT            why, for those who list the machines
  --json                 print JSON
  --version              print the version and end
  --help                 print this and end

serve writes JSON lines to standard output, one a request. Users can be added
and removed while it runs.
Exit status: 0 ended in order, 1 failed, 2 wrong usage.
`;

const dayMs = 24 * 3_600_000;

type Named = { readonly config: string; readonly name: string };

export type CoordinatorCommand =
  | { readonly kind: 'help' | 'version' }
  | { readonly kind: 'serve' | 'check' | 'reload' | 'user-list'; readonly config: string }
  | {
      readonly kind: 'usage' | 'history';
      readonly config: string;
      readonly since: string;
      readonly isJson: boolean;
    }
  | ({ readonly kind: 'user-add' | 'user-set'; readonly changes: UserChanges } & Named)
  | ({ readonly kind: 'user-remove'; readonly buildlets: 'end' | 'keep' | undefined } & Named)
  | ({
      readonly kind: 'user-rotate';
      readonly changes: UserChanges;
      readonly overlapMs: number;
    } & Named)
  | { readonly kind: 'machine-list'; readonly config: string; readonly isJson: boolean }
  | ({ readonly kind: 'machine-drain'; readonly note: string } & Named)
  | ({ readonly kind: 'machine-undrain' } & Named);

const options = {
  config: { type: 'string' },
  role: { type: 'string' },
  admin: { type: 'boolean' },
  maximum: { type: 'string' },
  priority: { type: 'string' },
  expires: { type: 'string' },
  overlap: { type: 'string' },
  end: { type: 'boolean' },
  keep: { type: 'boolean' },
  note: { type: 'string' },
  json: { type: 'boolean' },
  by: { type: 'string' },
  since: { type: 'string' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsConfig['options'];

type OptionName = keyof typeof options;

const userOptions = ['role', 'admin', 'maximum', 'priority', 'expires'] as const;

/** For each command: whether it takes a name, and its options besides --config. */
const commands: Readonly<Record<string, readonly [0 | 1, ...OptionName[]]>> = {
  serve: [0],
  check: [0],
  reload: [0],
  'user list': [0],
  'user add': [1, ...userOptions],
  'user set': [1, ...userOptions],
  'user remove': [1, 'end', 'keep'],
  'user rotate': [1, 'overlap', 'expires'],
  usage: [0, 'by', 'since', 'json'],
  history: [0, 'since', 'json'],
  'machine list': [0, 'json'],
  'machine drain': [1, 'note'],
  'machine undrain': [1],
};

/** Reads the command line; throws ERR_USAGE. */
export function readCommand(argv: readonly string[]): CoordinatorCommand {
  const { values, positionals } = parse(argv);
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const { config = 'coordinator.toml' } = values;
  const { words, operands } = wordsOf(positionals);
  const [count = 0, ...allowed] = commands[words] ?? [];
  const stray = Object.keys(values).find(
    (name) => name !== 'config' && !allowed.some((one) => one === name),
  );
  if (stray !== undefined) throw usage(`--${stray} is not for ${words}`);
  const [name = ''] = operands;
  if (operands.length !== count) {
    throw usage(`wrong number of arguments for ${words}: ${operands.length}`);
  }
  switch (words) {
    case 'serve':
    case 'check':
    case 'reload':
      return { kind: words, config };
    case 'user list':
      return { kind: 'user-list', config };
    case 'user add':
      return { kind: 'user-add', config, name, changes: changesIn(values) };
    case 'user set': {
      const changes = changesIn(values);
      if (Object.values(changes).some((value) => value !== undefined)) {
        return { kind: 'user-set', config, name, changes };
      }
      throw usage('user set needs one of --role, --maximum, --priority and --expires');
    }
    case 'user remove': {
      if (values.end && values.keep) throw usage('--end and --keep contradict');
      const buildlets = values.end ? 'end' : values.keep ? 'keep' : undefined;
      return { kind: 'user-remove', config, name, buildlets };
    }
    case 'user rotate': {
      const overlapMs = durationOf('--overlap', values.overlap ?? '0');
      return { kind: 'user-rotate', config, name, overlapMs, changes: changesIn(values) };
    }
    case 'usage': {
      const { by = 'user', since = '30d', json } = values;
      if (by !== 'user') throw usage(`--by "${by}": there is only --by user`);
      return { kind: 'usage', config, since, isJson: json === true };
    }
    case 'history':
      return {
        kind: 'history',
        config,
        since: values.since ?? '3650d',
        isJson: values.json === true,
      };
    case 'machine list':
      return { kind: 'machine-list', config, isJson: values.json === true };
    case 'machine drain':
      return { kind: 'machine-drain', config, name, note: values.note ?? '' };
    default:
      return { kind: 'machine-undrain', config, name };
  }
}

function wordsOf(positionals: readonly string[]): { words: string; operands: string[] } {
  const [first = '', second = ''] = positionals;
  const known = Object.keys(commands);
  const isGroup = known.some((name) => name.startsWith(`${first} `));
  const words = isGroup ? `${first} ${second}`.trim() : first;
  if (words === '') throw usage('no command given');
  if (known.includes(words)) return { words, operands: positionals.slice(isGroup ? 2 : 1) };
  const meant = didYouMean(words, known);
  throw usage(`unknown command "${words}"${meant === undefined ? '' : `; ${meant}`}`);
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: argv.map((word) => word.replace(/^-(?=[a-z]{2})/, '--')),
      allowPositionals: true,
      options,
    });
  } catch (error) {
    throw usage(messageOf(error).split('. ')[0] ?? '');
  }
}

type Values = ReturnType<typeof parse>['values'];

function changesIn({ role, admin, maximum, priority, expires }: Values): UserChanges {
  if (admin && role !== undefined && role !== 'admin') {
    throw usage(`--admin and --role ${role} contradict`);
  }
  return {
    role: admin ? 'admin' : role === undefined ? undefined : toRole(role),
    maximum: maximum === undefined ? undefined : toMaximum(maximum),
    priority: priority === undefined ? undefined : toHighest(priority),
    expires: expires === undefined ? undefined : toEnd(expires),
  };
}

function toRole(text: string): Role {
  const role = roles.find((one) => one === text);
  if (role !== undefined) return role;
  throw usage(`--role "${text}" is not one of ${roles.join(', ')}`);
}

function toMaximum(text: string): number | null {
  if (text === 'none') return null;
  if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text);
  throw usage(`--maximum "${text}" is not a number from 1, nor none`);
}

function toHighest(text: string): Priority | null {
  if (text === 'none') return null;
  const priority = toPriority(text);
  if (priority !== undefined) return priority;
  throw usage(`--priority "${text}" is not one of ${priorities.join(', ')}, nor none`);
}

function toEnd(text: string): Date | null {
  if (text === 'never') return null;
  const isDate = /^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2}))?$/.test(text);
  const end = isDate ? new Date(text) : new Date(Date.now() + durationOf('--expires', text));
  if (end.getTime() > Date.now()) return end;
  throw usage(`--expires "${text}" is not a time in the future`);
}

function durationOf(option: string, text: string): number {
  const [, days] = /^([1-9][0-9]{0,3})d$/.exec(text) ?? [];
  if (days !== undefined) return Number(days) * dayMs;
  try {
    return parseDuration(option, text);
  } catch (error) {
    throw usage(messageOf(error));
  }
}

const usage = (message: string): GomoteError =>
  new GomoteError('ERR_USAGE', message, { hint: 'see coordinator --help' });
