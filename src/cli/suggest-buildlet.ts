// Which buildlet somebody may have meant who named one that is not there.
import { didYouMean } from '../did-you-mean.ts';
import { GomoteError } from '../errors.ts';
import { timeoutSignal } from '../timeout-signal.ts';
import type { Context } from './context.ts';

/** How long the backends may take to list what they have, in ms: there is an error to be told. */
const listMs = 3_000;

/** The error with the name that was probably meant, if one is near enough; else as it is. */
export async function withSuggestion(
  error: GomoteError,
  name: string,
  context: Context,
): Promise<GomoteError> {
  const known = await namesEverywhere(context);
  const elsewhere = known.find((one) => one.endsWith(`/${name}`));
  const meant = elsewhere === undefined ? didYouMean(name, known) : `did you mean "${elsewhere}"?`;
  if (meant === undefined) return error;
  return new GomoteError(error.code, error.message, {
    hint: meant,
    cause: error,
  });
}

async function namesEverywhere(context: Context): Promise<string[]> {
  const signal = AbortSignal.any([context.signal, timeoutSignal(listMs)]);
  const { backends } = await context.config();
  const lists = await Promise.allSettled(
    [...backends.keys()].map(async (backendName) => {
      const instances = await (await context.backend(backendName)).list({ signal });
      return await Promise.all(instances.map(({ name }) => context.fullName(backendName, name)));
    }),
  );
  return lists.flatMap((list) => (list.status === 'fulfilled' ? list.value : []));
}
