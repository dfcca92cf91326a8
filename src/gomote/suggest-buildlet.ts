// Suggests a buildlet when the one that was named does not exist.
import { didYouMean } from '../did-you-mean.ts';
import { GomoteError } from '../errors.ts';
import { anySignal, timeoutSignal } from '../timeout-signal.ts';
import type { Backends } from './backends.ts';

/** How long the backends may take to list their buildlets, in ms: an error waits to be shown. */
const listMs = 3_000;

/** The error with a suggested name, if one is similar enough; else the error itself. */
export async function withSuggestion(
  error: GomoteError,
  name: string,
  backends: Backends,
  signal: AbortSignal,
): Promise<GomoteError> {
  const known = await namesEverywhere(backends, anySignal(signal, timeoutSignal(listMs)));
  const elsewhere = known.find((one) => one.endsWith(`/${name}`));
  // Another number is another buildlet: the one that was named has ended, rather than been misspelt.
  const alike = known.filter((one) => withoutNumber(one) !== withoutNumber(name));
  const meant = elsewhere === undefined ? didYouMean(name, alike) : `did you mean "${elsewhere}"?`;
  if (meant === undefined) return error;
  return new GomoteError(error.code, error.message, {
    hint: meant,
    cause: error,
  });
}

const withoutNumber = (name: string): string => name.replace(/[0-9]+$/, '');

async function namesEverywhere(backends: Backends, signal: AbortSignal): Promise<string[]> {
  const configured = (await backends.config()).backends;
  const lists = await Promise.allSettled(
    [...configured.keys()].map(async (backendName) => {
      const backend = await backends.open(backendName);
      const instances = await backend.list({ signal, onFailure: () => undefined });
      return await Promise.all(instances.map(({ name }) => backends.fullName(backendName, name)));
    }),
  );
  return lists.flatMap((list) => (list.status === 'fulfilled' ? list.value : []));
}
