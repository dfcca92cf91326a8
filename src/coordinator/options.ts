// The coordinator's command line.
import { parseArgs } from 'node:util';
import { didYouMean } from '../did-you-mean.ts';
import { GomoteError, messageOf } from '../errors.ts';

export const helpText = `Usage: coordinator COMMAND --config FILE [options]

Shares buildlets in a team: one address that knows its users, finds or makes
machines, and relays everything to them.

Commands:
  serve                  serve until SIGTERM or SIGINT; running requests then
                         finish first
  check                  check the configuration and end
  user add NAME          add a user and print the token, once [--admin]
                         [--maximum N]
  user list              print the users
  user remove NAME       remove a user
  user rotate NAME       print a new token; the old one is worth nothing from
                         then on

Options:
  --config FILE          the configuration (default: coordinator.toml)
  --admin                the user sees, reaches and ends the buildlets of all
  --maximum N            how many buildlets the user may have at once
  --version              print the version and end
  --help                 print this and end

serve writes JSON lines to standard output, one a request. Users can be added
and removed while it runs.
Exit status: 0 ended in order, 1 failed, 2 wrong usage.
`;

export type CoordinatorCommand =
  | { readonly kind: 'help' | 'version' }
  | { readonly kind: 'serve' | 'check' | 'user-list'; readonly config: string }
  | { readonly kind: 'user-remove' | 'user-rotate'; readonly config: string; readonly name: string }
  | {
      readonly kind: 'user-add';
      readonly config: string;
      readonly name: string;
      readonly isAdmin: boolean;
      readonly maximum: number | undefined;
    };

/** Reads the command line; throws ERR_USAGE. */
export function readCommand(argv: readonly string[]): CoordinatorCommand {
  const { values, positionals } = parse(argv);
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const { config = 'coordinator.toml' } = values;
  const [first = '', second = '', ...names] = positionals;
  const [name] = names;
  const user = values.admin !== undefined || values.maximum !== undefined;
  if (user && `${first} ${second}` !== 'user add')
    throw usage('--admin and --maximum are for user add');
  if ((first === 'serve' || first === 'check') && positionals.length === 1) {
    return { kind: first, config };
  }
  if (first === 'user' && second === 'list' && name === undefined)
    return { kind: 'user-list', config };
  if (first === 'user' && name !== undefined && names.length === 1) {
    if (second === 'remove') return { kind: 'user-remove', config, name };
    if (second === 'rotate') return { kind: 'user-rotate', config, name };
    if (second === 'add') {
      const maximum = values.maximum === undefined ? undefined : toCount(values.maximum);
      return { kind: 'user-add', config, name, isAdmin: values.admin === true, maximum };
    }
  }
  if (first === '') throw usage('no command given');
  const known = ['serve', 'check', 'user list', 'user add', 'user remove', 'user rotate'];
  const words = first === 'user' ? `user ${second}`.trim() : first;
  if (known.includes(words)) {
    throw usage(
      `wrong number of arguments for ${words}: ${positionals.length - words.split(' ').length}`,
    );
  }
  const meant = didYouMean(words, known);
  throw usage(`unknown command "${words}"${meant === undefined ? '' : `; ${meant}`}`);
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: argv.map((word) => word.replace(/^-(?=[a-z]{2})/, '--')),
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        admin: { type: 'boolean' },
        maximum: { type: 'string' },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw usage(messageOf(error).split('. ')[0] ?? '');
  }
}

function toCount(text: string): number {
  if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text);
  throw usage(`--maximum "${text}" is not a number from 1`);
}

const usage = (message: string): GomoteError =>
  new GomoteError('ERR_USAGE', message, { hint: 'see coordinator --help' });
