// gomote login: adds a coordinator as a backend, after checking its certificate and the token.
import type { Command } from 'commander';
import { urlProblem } from '../../backends/coordinator/config.ts';
import { CoordinatorClient } from '../../client/coordinator-client.ts';
import { GomoteError, messageOf, StatusError } from '../../errors.ts';
import { fingerprintDigits } from '../../fingerprint.ts';
import { readSecretLine } from '../../gomote/config/account.ts';
import { addLogin, readLogins } from '../../gomote/config/logins.ts';
import { proxyOf } from '../../http/client/env-proxy.ts';
import { unreachableHint } from '../../http/client/request.ts';
import type { ServerAddress } from '../../http/client/server-address.ts';
import { printable } from '../../printable.ts';
import { coordinatorAuthUser } from '../../protocol/endpoints.ts';
import type { Context } from '../context.ts';
import { askSecret, askYes } from '../terminal/secret-prompt.ts';
import { printJson } from '../terminal/terminal.ts';
import { contradiction } from '../values.ts';

interface Options {
  name?: string;
  tokenFile?: string;
  fingerprint?: string;
  sso?: boolean;
  json?: boolean;
}

const defaultName = 'team';

export function define(command: Command, context: Context): void {
  command
    .argument('<url>', 'the coordinator: https://HOST[:PORT]')
    .option('--name <name>', `what to call the backend (default: ${defaultName})`, checkName)
    .option(
      '--token-file <file>',
      'take the token from a file; else it is asked for, or read from standard input',
    )
    .option(
      '--sso',
      'sign in with a browser, by the provider of the coordinator; without it that is done on a terminal where there is one',
    )
    .option(
      '--fingerprint <sha256>',
      'accept this certificate and no other; else it is shown and asked about',
    )
    .option('--json', 'print a JSON object')
    .action(async (text: string, options: Options) => {
      const origin = toOrigin(text);
      const name = options.name ?? defaultName;
      await refuseTaken(context, name, origin);
      const proxy = proxyOf(origin, context.terminal.environment);
      const fingerprint = await pin(context, origin, proxy, options.fingerprint);
      const instance = { kind: 'tcp', origin, fingerprint, proxy } as const;
      const { user, token } =
        (await signIn(context, instance, options)) ?? (await withToken(context, instance, options));
      const pinned = fingerprint === undefined ? undefined : `sha256:${fingerprint}`;
      const { isDefault } = await addLogin(context.backends.configDir, name, {
        url: origin,
        user,
        token,
        ...(pinned !== undefined && { fingerprint: pinned }),
      });
      if (options.json) {
        const { terminal } = context;
        const login = { backend: name, url: origin, user, isDefault, fingerprint: pinned };
        return await printJson(terminal, login);
      }
      const which = isDefault ? 'the default' : `used by --backend ${name}`;
      context.messages.remark(`logged in to ${origin} as ${user}: backend "${name}", ${which}`);
    });
}

type Address = Extract<ServerAddress, { kind: 'tcp' }>;

interface Account {
  readonly user: string;
  readonly token: string;
}

/** Signs in by the coordinator's provider; undefined when a token must be given. */
async function signIn(
  context: Context,
  instance: Address,
  { sso, tokenFile }: Options,
): Promise<Account | undefined> {
  if (sso && tokenFile !== undefined) throw contradiction('--sso', '--token-file');
  const mayAsk = tokenFile === undefined && context.terminal.input === 'terminal';
  if (!sso && !mayAsk) return undefined;
  const client = new CoordinatorClient({ auth: { username: '', password: '' }, instance });
  try {
    const account = await client.signIn(
      ({ url, code }) => {
        // Printed even with --quiet, because the user must act on it.
        const line = `gomote: open ${url} in a browser and confirm the code ${code}`;
        context.terminal.stderr.write(`${printable(line)}\n`);
      },
      { signal: context.signal },
    );
    if (account !== undefined || !sso) return account;
    throw new GomoteError('ERR_UNSUPPORTED', `${instance.origin} has no provider to sign in by`, {
      hint: 'sign in with a token',
    });
  } catch (error) {
    // A user who also has a token can still sign in.
    if (sso || !(error instanceof StatusError)) throw error;
    context.messages.remark(error.message);
    return undefined;
  } finally {
    await client.disconnect();
  }
}

async function withToken(
  context: Context,
  instance: Address,
  { tokenFile }: Options,
): Promise<Account> {
  const user = await context.backends.user();
  const token = await readToken(context, tokenFile, `token of ${user} on ${instance.origin}: `);
  const auth = { username: coordinatorAuthUser(user), password: token };
  const client = new CoordinatorClient({ auth, instance });
  try {
    // A coordinator that does not list its types still shows whether it accepts the token.
    const types = await client.types({ signal: context.signal, signIn: true });
    if (types === undefined) await client.remoteBuildlets({ signal: context.signal });
    return { user, token };
  } finally {
    await client.disconnect();
  }
}

function toOrigin(text: string): string {
  const url = text.includes('://') ? text : `https://${text}`;
  const why = urlProblem(url, false);
  if (why === undefined) return new URL(url).origin;
  throw new GomoteError('ERR_USAGE', `login: URL: ${JSON.stringify(url)}: ${why}`);
}

function checkName(name: string): string {
  if (/^[\w.-]+$/.test(name) && name !== 'local') return name;
  throw new GomoteError('ERR_USAGE', `--name "${name}" cannot be a backend's name`, {
    hint: 'give letters, digits, ".", "_" and "-", and not "local"',
  });
}

/** A name means one coordinator. Log out before using it for another. */
async function refuseTaken(context: Context, name: string, origin: string): Promise<void> {
  const found = (await context.backends.config()).backends.get(name);
  const isOwn = (await readLogins(context.backends.configDir)).backends.has(name);
  if (found === undefined || (isOwn && found.kind === 'coordinator' && found.url === origin))
    return;
  throw new GomoteError('ERR_USAGE', `there is a backend "${name}" already`, {
    hint: isOwn ? `gomote logout ${name}, or give --name` : 'give --name',
  });
}

/** The fingerprint to pin; undefined for a certificate that the system trusts, and for plain HTTP on this machine. */
async function pin(
  context: Context,
  origin: string,
  proxy: string | undefined,
  expected: string | undefined,
): Promise<string | undefined> {
  if (origin.startsWith('http:')) return undefined;
  const { certificateOf } = await import('../../http/client/certificate.ts');
  const seen = await certificateOf(origin, proxy).catch((error: unknown) => {
    throw new GomoteError('ERR_CONNECT', `cannot reach ${origin}: ${messageOf(error)}`, {
      hint: unreachableHint,
      cause: error,
    });
  });
  const shown = `sha256:${seen.fingerprint}`;
  if (expected !== undefined) {
    if (fingerprintDigits(expected) === seen.fingerprint) return seen.fingerprint;
    throw new GomoteError('ERR_CERTIFICATE', `${origin} shows another certificate: ${shown}`, {
      hint: 'someone else may be answering there',
    });
  }
  // A certificate of an authority is renewed every few months: a pin would lock users out.
  if (seen.isTrusted) return undefined;
  context.messages.remark(`the certificate of ${origin} is ${shown}`);
  const { terminal, signal } = context;
  const question = 'Is that the one its owner told you? [y/N] ';
  if (terminal.stdin.isTTY === true && (await askYes(terminal, question, signal))) {
    return seen.fingerprint;
  }
  throw new GomoteError(
    'ERR_CERTIFICATE',
    `no trusted authority has signed the certificate of ${origin}`,
    {
      hint: `compare it with what the coordinator printed at its start, then give --fingerprint ${shown}`,
    },
  );
}

async function readToken(
  context: Context,
  file: string | undefined,
  prompt: string,
): Promise<string> {
  if (file !== undefined) return readSecretLine('--token-file', file);
  const token = (await askSecret(context.terminal, prompt, context.signal)).trim();
  if (token !== '' && !/\p{Cc}/u.test(token)) return token;
  throw new GomoteError('ERR_USAGE', token === '' ? 'no token was given' : 'a token is one line', {
    hint: 'give the one that "coordinator user add" printed',
  });
}
