// The buildlet's command line and its META_* environment variables.
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { parseDuration } from '../duration.ts';
import { GomoteError, messageOf } from '../errors.ts';
import { isLoopback, type ListenAddress, parseListenAddress } from '../http/listen.ts';

export interface BuildletOptions {
  /** Absent: a unix socket in a fresh directory. */
  readonly address: ListenAddress | undefined;
  readonly workDir: string | undefined;
  readonly powerOff: boolean;
  readonly password: string | undefined;
  readonly tls: { readonly certPem: string; readonly keyPem: string } | undefined;
  readonly idleTimeoutMs: number | undefined;
  readonly maxLifetimeMs: number | undefined;
  readonly removeAtEnd: readonly string[];
}

export const helpText = `Usage: buildlet [options]

The agent on a build machine: an HTTP server that takes files, runs commands, sends
files back, and ends. Whoever has its password can run anything here.

Options (one dash or two):
  --listen unix:PATH|HOST:PORT  where to listen (default: a unix socket in a fresh
                                directory); an address that other machines can reach
                                needs a password; port 0 takes a free one
  --workdir DIR                 work dir (default: a fresh temporary one); removed at
                                the end if the buildlet made it
  --halt=true|false             power off the machine when halted (default: false,
                                only the process ends)
  --password-file FILE          the password is the first line of FILE
  --idle-timeout DURATION       end after this long without use, such as 30m
                                (default: never)
  --max-lifetime DURATION       end at this age, whatever is running (default: never)
  --remove-at-end DIR           also remove DIR at the end; may be repeated
  --version                     print the version and end
  --help                        print this and end

Environment (each also in upper case; a value @FILE is read from FILE):
  META_password                 the password, unless --password-file is given
  META_tls_cert, META_tls_key   certificate and key, PEM: the server then speaks TLS

It prints the address it listens on as its one line on standard output; all else goes
to standard error. It ends on POST /halt, SIGTERM, SIGINT, or when its time is over;
then it ends every command it started, removes what it made, and exits with 0.
Exit status: 0 ended in order, 1 failed, 2 wrong usage.
`;

/** Reads the command line; undefined values are those not given. */
export async function readOptions(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<BuildletOptions | 'help' | 'version'> {
  const values = parse(argv);
  if (values.help === true) return 'help';
  if (values.version === true) return 'version';
  const meta = metaReader(environment);
  const cert = await meta('tls-cert');
  const key = await meta('tls-key');
  if ((cert === undefined) !== (key === undefined)) {
    throw usage('META_tls_cert and META_tls_key go together', 'set both or none');
  }
  const password =
    values['password-file'] === undefined
      ? await meta('password')
      : await readSecret('--password-file', values['password-file']);
  const address = values.listen === undefined ? undefined : parseListenAddress(values.listen);
  if (address !== undefined && !isLoopback(address) && !password) {
    throw usage(
      `listening on ${values.listen} without a password would let anyone run commands here`,
      'give --password-file FILE, or listen on 127.0.0.1 or a unix socket',
    );
  }
  return {
    address,
    workDir: values.workdir,
    powerOff: parseBoolean('--halt', values.halt ?? 'false'),
    password,
    tls: cert === undefined || key === undefined ? undefined : { certPem: cert, keyPem: key },
    idleTimeoutMs: parseTimeout('--idle-timeout', values['idle-timeout']),
    maxLifetimeMs: parseTimeout('--max-lifetime', values['max-lifetime']),
    removeAtEnd: values['remove-at-end'] ?? [],
  };
}

function parse(argv: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: argv.map((word) => word.replace(/^-(?=[a-z]{2})/, '--')).map(bareHalt),
      options: {
        listen: { type: 'string' },
        workdir: { type: 'string' },
        halt: { type: 'string' },
        'password-file': { type: 'string' },
        'idle-timeout': { type: 'string' },
        'max-lifetime': { type: 'string' },
        'remove-at-end': { type: 'string', multiple: true },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    return values;
  } catch (error) {
    throw usage(messageOf(error).split('. ')[0] ?? '', 'see buildlet --help');
  }
}

/** A Go boolean flag may stand alone. */
const bareHalt = (word: string): string => (word === '--halt' ? '--halt=true' : word);

function parseBoolean(option: string, text: string): boolean {
  if (text !== 'true' && text !== 'false') {
    throw usage(`${option} is true or false, not "${text}"`, 'see buildlet --help');
  }
  return text === 'true';
}

function parseTimeout(option: string, text: string | undefined): number | undefined {
  const durationMs = text === undefined ? 0 : parseDuration(option, text);
  return durationMs === 0 ? undefined : durationMs;
}

/** Reads `META_<key>` or its upper-case form. */
function metaReader(environment: NodeJS.ProcessEnv) {
  return async (key: string): Promise<string | undefined> => {
    const name = `META_${key.replaceAll('-', '_')}`;
    const value = environment[name] ?? environment[name.toUpperCase()];
    if (value === undefined || value === '') return undefined;
    return value.startsWith('@') ? await readText(name, value.slice(1)) : value;
  };
}

async function readSecret(option: string, file: string): Promise<string> {
  const password = (await readText(option, file)).split(/\r?\n/, 1)[0] ?? '';
  if (password === '') throw usage(`${option}: ${file} is empty`, 'write the password into it');
  return password;
}

async function readText(what: string, file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new GomoteError('ERR_CONFIG', `${what}: cannot read "${file}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const usage = (message: string, hint: string): GomoteError =>
  new GomoteError('ERR_USAGE', message, { hint });
