// A coordinator's client for the user of the command line, as Go's package makes one from its flags.
import { parseArgs } from 'node:util';
import { CoordinatorClient } from '../client/coordinator-client.ts';
import { GomoteError } from '../errors.ts';
import { coordinatorAuthUser } from '../protocol/endpoints.ts';
import { settingsOf } from './options.ts';

/** The coordinator that the configuration names as its default. */
export const defaultInstance = 'default';

/** The coordinator that the configuration calls `staging`. */
export const stagingInstance = 'staging';

/** The flags that choose a coordinator and its user. */
export interface CoordinatorFlags {
  /** Who calls. Default: as for `open`. */
  user?: string | undefined;
  /** Calls the coordinator called `staging`. Default: as `GOMOTE_STAGING` says. */
  staging?: boolean | undefined;
  /** Calls the coordinator of that name in the configuration. Default: {@link defaultInstance}. */
  instance?: string | undefined;
}

const flags: {
  /** Who calls. */
  readonly user: {
    /** It has a value. */
    readonly type: 'string';
  };
  /** The coordinator called `staging`. */
  readonly staging: {
    /** It has none. */
    readonly type: 'boolean';
  };
} = { user: { type: 'string' }, staging: { type: 'boolean' } };

/**
 * The flags `user` and `staging`, for `parseArgs` of node:util, beside those of the program.
 *
 * @example
 * const { values } = parseArgs({ options: registerFlags({ verbose: { type: 'boolean' } }) });
 * const coordinator = await newCoordinatorClientFromFlags(values);
 */
export function registerFlags<const Own extends object = object>(own?: Own): Own & typeof flags {
  return { ...(own as Own), ...flags };
}

/**
 * A client of the coordinator that flags, variables and configuration choose, for the user that they name. Absent: the flags
 * among the arguments of this process.
 *
 * @throws GomoteError ERR_CONFIG when what is chosen is no coordinator, or there is no token for the user.
 *
 * @example
 * await using coordinator = await newCoordinatorClientFromFlags({ instance: stagingInstance });
 */
export async function newCoordinatorClientFromFlags(
  given: CoordinatorFlags = flagsOfProcess(),
): Promise<CoordinatorClient> {
  const named = given.staging ? stagingInstance : given.instance;
  const backend = named === defaultInstance ? undefined : named;
  const { Backends } = await import('./backends.ts');
  const backends = new Backends(settingsOf({ user: given.user, backend }));
  const name = await backends.defaultName();
  const settings = await backends.coordinatorSettings(name);
  if (settings === undefined) {
    throw new GomoteError('ERR_CONFIG', `backend "${name}" is not a coordinator`, {
      hint: 'run gomote login URL, or set GOMOTE_BACKEND to one of kind "coordinator"',
    });
  }
  const { url, user, token, fingerprint, proxy } = settings;
  return new CoordinatorClient({
    auth: { username: coordinatorAuthUser(user), password: token },
    instance: { kind: 'tcp', origin: new URL(url).origin, fingerprint, proxy },
  });
}

/** Those that are ours; the others are the program's own. */
function flagsOfProcess(): CoordinatorFlags {
  const { values } = parseArgs({ options: flags, strict: false });
  const { user, staging } = values;
  return { user: typeof user === 'string' ? user : undefined, staging: staging === true };
}
