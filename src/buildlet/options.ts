// The buildlet's command line and its META_* values.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseDuration } from '../duration.ts';
import { messageOf } from '../errors.ts';
import { isLoopback, type ListenAddress, parseListenAddress } from '../http/server/listen.ts';
import type { StoreOptions } from '../store/content-store.ts';
import { defaultStoreBytes } from '../store/store-size.ts';
import type { AgentOptions } from './agent.ts';
import { type CachePlace, cacheFlags, cachesHelp, readCacheDisks, readCaches } from './caches.ts';
import { confinementFlags, confinementHelp, readConfinement } from './confinement.ts';
import { environmentMeta, isOnGce, type Meta } from './meta.ts';
import { secretLine, usage } from './option-values.ts';
import { readUser, userFlags, userHelp } from './own-user.ts';
import type { ReverseOptions } from './reverse.ts';
import { readReverseOptions, reverseFlags, reverseHelp } from './reverse-options.ts';
import { readWorkDir, workDirFlags, workDirHelp } from './work-dir.ts';

/** Options of the agent, whose defaults are its own. */
type AgentOptionName =
  | 'workDir'
  | 'volume'
  | 'password'
  | 'tls'
  | 'idleTimeoutMs'
  | 'maxLifetimeMs'
  | 'holdMs'
  | 'confinement'
  | 'store'
  | 'caches';

export interface BuildletOptions extends Pick<AgentOptions, AgentOptionName> {
  /** Absent: a unix socket in a new directory. */
  readonly address: ListenAddress | undefined;
  /** Caches on disks that are to be mounted: each `directory` is the path of a disk. */
  readonly cacheDisks: readonly CachePlace[] | undefined;
  readonly powerOff: boolean;
  /** Whether the password was generated for this start, and so must be printed. */
  readonly isPasswordMade?: boolean | undefined;
  /** Whether it uses TLS with a self-signed certificate. */
  readonly isSelfSigned?: boolean | undefined;
  readonly removeAtEnd: readonly string[];
  readonly userId: number | undefined;
  /** Whether commands get all of the environment in which the buildlet was started. */
  readonly inheritEnv?: true | undefined;
  readonly sessions: { readonly quotaBytes: number | undefined };
  /** Absent: it listens. */
  readonly reverse: ReverseOptions | undefined;
}

export const helpText = `Usage: buildlet [options]

The agent on a build machine: an HTTP server that takes files, runs commands,
sends files back, and ends. Whoever has its password can run anything here.

Options (one dash or two):
  --listen unix:PATH|HOST:PORT  where to listen (default: a unix socket in a
                                fresh directory); port 0 takes a free one. An
                                address that other machines can reach needs a
                                password; on a loopback address one is made, and
                                printed on standard error, if none is given
${workDirHelp}  --halt=true|false             power off the machine when the buildlet ends
                                (default: false, only the process ends; on GCE
                                true)
  --password-file FILE          the password is the first line of FILE, which
                                others must not be able to read
  --tls self-signed             speak TLS with a certificate of this machine's
                                own, which is made at the first start and kept;
                                its fingerprint is printed on standard error
  --insecure-no-password        ask for no password on HOST:PORT: every user of
                                every machine that reaches it can run anything
                                here
  --idle-timeout DURATION       end after this long without use, such as 30m
                                (default: never)
  --max-lifetime DURATION       end at this age, whatever is running (default:
                                never)
  --hold DURATION               end when no client has held it (POST /hold) for
                                this long, also after the start (default: it
                                need not be held)
  --log-quota SIZE              how much disk space the output of runs may take,
                                such as 512M (default: 1G); the oldest is
                                removed first
  --store DIR                   keep the contents of pushed files in DIR, so
                                that a push to the user's next buildlet with DIR
                                sends only what is not there
  --store-size SIZE             how much the store may take (default: 5G)
  --inherit-env                 give commands the whole environment of this
                                program, not only the base that
                                docs/environment.md lists
${cachesHelp}${confinementHelp}  --remove-at-end DIR           also remove DIR at the end; may be repeated
${userHelp}${reverseHelp}  --gce=true|false              take the values below from the metadata server
                                of Compute Engine (default: on a machine there
                                that has the attribute buildlet-host-type, when
                                neither --listen nor --password-file nor
                                --coordinator is given)
  --version                     print the version and end
  --help                        print this and end

Environment (each also in upper case; a value @FILE is read from FILE); with
--gce they are attributes of the machine instead (password, tls-cert, …):
  META_password                 the password, unless --password-file is given
  META_tls_cert, META_tls_key   certificate and key, PEM: the server then speaks
                                TLS
  META_inherit_env              1: as --inherit-env
  META_listen, META_idle_timeout, META_max_lifetime
                                as the options, unless those are given; on GCE
                                it listens on :443 with TLS, else on :80

It prints the address it listens on as its one line on standard output; all else
goes to standard error. It ends on POST /halt, SIGTERM, SIGINT, or when its time
is over; then it ends every command it started, removes what it made, and exits
with 0.
Exit status: 0 ended in order, 1 failed, 2 wrong usage.
`;

/** Parses the command line. Options that were not given are undefined. */
export async function readOptions(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<BuildletOptions | 'help' | 'version'> {
  const values = parse(argv);
  if (values.help === true) return 'help';
  if (values.version === true) return 'version';
  const gce = await gceMetaFor(values, environment);
  const meta = gce ?? environmentMeta(environment);
  const [cert, key] = [await meta('tls-cert'), await meta('tls-key')];
  if ((cert === undefined) !== (key === undefined)) {
    throw usage('META_tls_cert and META_tls_key need each other', 'set both or none');
  }
  const given =
    values['password-file'] === undefined
      ? await meta('password')
      : readPassword('--password-file', values['password-file']);
  const isSelfSigned = readTls(values.tls, cert);
  const gceDefault = gce && (cert === undefined ? ':80' : ':443');
  const listen = values.listen ?? (await meta('listen')) ?? gceDefault;
  const address = listen === undefined ? undefined : parseListenAddress(listen);
  const isOpen = values['insecure-no-password'] === true;
  if (isOpen && given !== undefined) {
    throw usage('--insecure-no-password cannot go with a password', 'leave one of them out');
  }
  // A virtual machine without a password relies on its firewall.
  const needsPassword = address?.kind === 'tcp' && given === undefined && !isOpen && !gce;
  if (needsPassword && !isLoopback(address)) {
    const what = `listening on ${listen} without a password would let anyone run commands here`;
    throw usage(what, 'give --password-file FILE, or listen on 127.0.0.1 or a unix socket');
  }
  // Every user of this machine can connect to a loopback address, and so can every page in a browser.
  const password = needsPassword ? randomBytes(24).toString('base64url') : given;
  const reverse = await readReverseOptions(values, environment);
  if (reverse !== undefined && (listen ?? given ?? cert ?? values.tls) !== undefined) {
    throw usage(
      '--coordinator cannot go with --listen, a password or TLS of its own',
      'whoever has the machine calls it over the connection to the coordinator only',
    );
  }
  const powerOff = parseBoolean('--halt', values.halt ?? (gce ? 'true' : 'false'));
  return {
    address,
    ...readWorkDir(values),
    powerOff,
    password,
    isPasswordMade: needsPassword || undefined,
    isSelfSigned,
    tls: cert === undefined || key === undefined ? undefined : { certPem: cert, keyPem: key },
    idleTimeoutMs: await timeout('idle-timeout', values['idle-timeout'], meta),
    maxLifetimeMs: await timeout('max-lifetime', values['max-lifetime'], meta),
    holdMs: values.hold === undefined ? undefined : parseDuration('--hold', values.hold),
    inheritEnv: values['inherit-env'] || (await meta('inherit-env')) === '1' || undefined,
    confinement: readConfinement(values, powerOff),
    removeAtEnd: values['remove-at-end'] ?? [],
    userId: readUser(values.user, address),
    sessions: { quotaBytes: parseSize('--log-quota', values['log-quota']) },
    store: readStore(values, reverse !== undefined),
    caches: readCaches(values),
    cacheDisks: readCacheDisks(await gce?.('cache-disks')),
    reverse,
  };
}

function parse(argv: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: argv.map((word) => word.replace(/^-(?=[a-z]{2})/, '--')).map(bareFlag),
      options: {
        listen: { type: 'string' },
        ...workDirFlags,
        halt: { type: 'string' },
        gce: { type: 'string' },
        'password-file': { type: 'string' },
        tls: { type: 'string' },
        'insecure-no-password': { type: 'boolean' },
        'idle-timeout': { type: 'string' },
        'max-lifetime': { type: 'string' },
        hold: { type: 'string' },
        'log-quota': { type: 'string' },
        store: { type: 'string' },
        'store-size': { type: 'string' },
        'inherit-env': { type: 'boolean' },
        'remove-at-end': { type: 'string', multiple: true },
        ...cacheFlags,
        ...userFlags,
        ...confinementFlags,
        ...reverseFlags,
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    return values;
  } catch (error) {
    throw usage(messageOf(error).split(/\.? *\n|\. /)[0] ?? '', 'see buildlet --help');
  }
}

/** Whether to create a self-signed certificate. */
function readTls(text: string | undefined, cert: string | undefined): boolean {
  if (text === undefined) return false;
  if (text !== 'self-signed') {
    throw usage(
      `--tls "${text}" is not self-signed`,
      'a certificate of your own goes in META_tls_cert and META_tls_key',
    );
  }
  if (cert === undefined) return true;
  throw usage('--tls self-signed cannot go with META_tls_cert', 'leave one of them out');
}

/** A Go boolean flag may have no value. */
const bareFlag = (word: string): string => word.replace(/^--(halt|gce)$/, '$&=true');

function parseBoolean(option: string, text: string): boolean {
  if (text !== 'true' && text !== 'false') {
    throw usage(`${option} is true or false, not "${text}"`, 'see buildlet --help');
  }
  return text === 'true';
}

/** A number of bytes, with an optional suffix K, M or G. */
function parseSize(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits = '', unit = ''] = /^([1-9][0-9]{0,9})([KMG]?)$/.exec(text) ?? [];
  if (digits !== '') return Number(digits) * 1024 ** ' KMG'.indexOf(unit || ' ');
  throw usage(`${option} "${text}" is not a size`, 'give one such as 512M');
}

/** A store is of one user; a machine that dials in is lent to many. */
function readStore(
  values: { readonly store?: string | undefined; readonly 'store-size'?: string | undefined },
  isReverse: boolean,
): StoreOptions | undefined {
  const { store, 'store-size': size } = values;
  if (store === undefined) {
    if (size === undefined) return undefined;
    throw usage('--store-size needs --store', 'give --store DIR as well');
  }
  if (isReverse) {
    throw usage('--store is not for a machine of a coordinator', 'the coordinator has a store');
  }
  const limitBytes = parseSize('--store-size', size) ?? defaultStoreBytes;
  return { root: resolve(store), room: 'own', limitBytes };
}

/** As the option says, else as META_* does; 0 is never. */
async function timeout(
  key: string,
  text: string | undefined,
  meta: Meta,
): Promise<number | undefined> {
  const fromMeta = text === undefined ? await meta(key) : undefined;
  const durationMs =
    fromMeta === undefined
      ? parseDuration(`--${key}`, text ?? '0')
      : parseDuration(`META_${key.replaceAll('-', '_')}`, fromMeta);
  return durationMs === 0 ? undefined : durationMs;
}

/** The attributes of this virtual machine, when it is one of Compute Engine that was made to be a buildlet. */
async function gceMetaFor(
  values: ReturnType<typeof parse>,
  environment: NodeJS.ProcessEnv,
): Promise<Meta | undefined> {
  const asked = values.gce === undefined ? undefined : parseBoolean('--gce', values.gce);
  // With an explicit address, it is some other buildlet, such as a local one.
  const own = values.listen ?? values['password-file'] ?? values.coordinator;
  if (!(asked ?? (own === undefined && (await isOnGce(environment))))) return undefined;
  const { gceMeta } = await import('./gce-metadata.ts');
  const meta = await gceMeta(environment);
  return asked || (await meta('buildlet-host-type')) !== undefined ? meta : undefined;
}

function readPassword(option: string, file: string): string {
  const password = secretLine(option, file);
  if (password === '') throw usage(`${option}: ${file} is empty`, 'write the password into it');
  return password;
}
