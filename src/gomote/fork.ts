// Creates buildlets with the work directory of another one.
import { hostTypeOf } from '../builders.ts';
import type { CallOptions } from '../client/client-options.ts';
import { randomId } from '../client/random-id.ts';
import { GomoteError, messageOf } from '../errors.ts';
import { timeoutSignal } from '../timeout-signal.ts';
import { checkCount } from './arguments.ts';
import { isAddress, splitName } from './buildlet-name.ts';
import type { ConnectedBuildlet } from './connected-buildlet.ts';
import { createSeveral } from './create.ts';
import { removeSnapshot } from './snapshot-places.ts';
import { forkPrefix, takeSnapshot } from './snapshots.ts';

/** How long it may take to remove what the copies were made from, in ms. */
const removalMs = 60_000;

/** The options of `fork`. */
export interface ForkOptions extends CallOptions {
  /** How many. Default 1. */
  readonly count?: number | undefined;
  /** Called, in a few words what is being waited for. */
  readonly onProgress?: ((step: string) => void) | undefined;
}

/** Creates this many of the same type in the same backend, or none. Returns their names. */
export async function fork(
  place: ConnectedBuildlet,
  { count = 1, onProgress, signal }: ForkOptions & { signal: AbortSignal },
): Promise<string[]> {
  checkCount('count', count);
  const { name, builder, backends } = place;
  if (builder === undefined || isAddress(name)) {
    throw new GomoteError('ERR_UNSUPPORTED', `the builder type of ${name} is not known here`, {
      hint: 'gomote snapshot create it, and gomote create --from that',
    });
  }
  const backend = await backends.open(splitName(name).backend);
  const { catalogue } = await backends.config();
  const host =
    backend.types === undefined ? hostTypeOf(catalogue, builder) : { name: builder.hostType };
  const { tag } = await takeSnapshot(place, `${forkPrefix}${randomId()}`, {
    signal,
    isAutomatic: true,
  });
  try {
    const wanted = {
      backend,
      host: { ...host, setup: undefined },
      builder: { ...builder, setup: undefined },
    };
    const made = await createSeveral(backends, wanted, count, { from: tag, signal, onProgress });
    return await Promise.all(made.map((one) => backends.fullName(backend.name, one.name)));
  } finally {
    // A snapshot that is left must not hide the names of the copies, or why there are none.
    await removeSnapshot(tag, backends, timeoutSignal(removalMs)).catch((error: unknown) => {
      backends.settings.log?.(`${tag} was not removed: ${messageOf(error)}`);
    });
  }
}
