// Builds the request for a command.
import type { BuilderType } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import { closedNetworkVariable, type SessionRequest } from '../../protocol/session.ts';
import { traceVariables } from '../../tracing.ts';
import type { Backends } from '../backends.ts';
import type { ConnectedBuildlet } from '../connected-buildlet.ts';
import { checkInside } from '../work-dir-path.ts';

/** How a command is run. */
export interface CommandOptions {
  /** The directory, relative to the work directory, which is `.`. Default: where the tree was pushed. */
  readonly dir?: string | undefined;
  /** Variables, as an object or as `KEY=VALUE`, which override those of the builder type. */
  readonly env?: Readonly<Record<string, string>> | readonly string[] | undefined;
  /** PATH: `$PATH` expands to the default elements, `$WORKDIR` to the work directory. Empty: no PATH. */
  readonly path?: readonly string[] | undefined;
  /** Runs the command outside the work directory. Default: true if its name has no slash or begins with one. */
  readonly system?: boolean | undefined;
  /** Runs a built-in program of the buildlet; the command is only its name in lists. Default: none. */
  readonly subsystem?: 'sftp' | undefined;
  /** Prints how the command is run before its output. Default false. */
  readonly debug?: boolean | undefined;
  /** Runs the command without a network. */
  readonly firewall?: boolean | undefined;
  /** Uses the environment of this builder type, which must have the same host type. */
  readonly builderEnv?: string | undefined;
  /** The time limit of the command, in ms; then the run fails with ERR_TIMEOUT. 0: no limit. */
  readonly timeoutMs?: number | undefined;
  /** The time limit without output, in ms; then the run fails with ERR_TIMEOUT. 0: no limit. */
  readonly idleTimeoutMs?: number | undefined;
  /** The delay between TERM and KILL, in ms. Default 5 s. */
  readonly killAfterMs?: number | undefined;
  /** How long to try to reopen a lost connection, in ms. Default 5 minutes. */
  readonly reconnectMs?: number | undefined;
}

interface Words {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly dir: string;
}

/** The request for a command; throws ERR_PATH when it or its directory is outside the work directory. */
export async function requestOf(
  { name, builder, backends }: Omit<ConnectedBuildlet, 'client'>,
  { cmd, args, dir }: Words,
  options: CommandOptions,
): Promise<SessionRequest> {
  const systemLevel = options.system === true || isOfSystem(cmd, dir);
  if (!systemLevel) checkInside('the command', cmd);
  if (!systemLevel || !dir.startsWith('/')) checkInside('the directory', dir);
  const acting = await actingBuilder(builder, options.builderEnv, name, backends);
  const { reconnectMs } = options;
  return {
    cmd,
    args,
    systemLevel,
    debug: options.debug === true,
    dir,
    subsystem: options.subsystem,
    env: [
      ...(acting?.env ?? []),
      ...traceVariables(),
      ...variables(options.env),
      ...(options.firewall ? [`${closedNetworkVariable}=1`] : []),
    ],
    path: options.path ?? acting?.path,
    // 0 means no limit, as in Go.
    timeoutMs: options.timeoutMs || undefined,
    idleTimeoutMs: options.idleTimeoutMs || undefined,
    killAfterMs: options.killAfterMs,
    ...(reconnectMs !== undefined && { graceMs: Math.max(60_000, reconnectMs) }),
  };
}

const variables = (env: CommandOptions['env'] = []): readonly string[] =>
  isList(env) ? env : Object.entries(env).map(([name, value]) => `${name}=${value}`);

const isList = (env: NonNullable<CommandOptions['env']>): env is readonly string[] =>
  Array.isArray(env);

/**
 * Whether a command is looked up as in a shell: a bare name on PATH, `./x` in the directory of the run. Go's gomote looks up both
 * in the work directory, like `dir/x`.
 */
const isOfSystem = (cmd: string, dir: string): boolean =>
  !cmd.includes('/') || (dir === '' ? cmd.startsWith('/') : /^\.?\//.test(cmd));

/** The builder type whose environment the command gets; only one of the same host type can stand in. */
async function actingBuilder(
  own: BuilderType | undefined,
  wanted: string | undefined,
  name: string,
  backends: Backends,
): Promise<BuilderType | undefined> {
  if (wanted === undefined) return own;
  const { catalogue } = await backends.config();
  const other = catalogue.builders.find((builder) => builder.name === wanted);
  if (other !== undefined && (own === undefined || own.hostType === other.hostType)) return other;
  throw new GomoteError(
    other === undefined ? 'ERR_UNKNOWN_TYPE' : 'ERR_USAGE',
    other === undefined
      ? `unknown builder type "${wanted}"`
      : `--builderenv ${wanted} has host type ${other.hostType}, but ${name} has ${own?.hostType}`,
    { hint: 'see gomote types' },
  );
}
