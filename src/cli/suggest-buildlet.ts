// Suggests a buildlet when the one that was named does not exist.
import type { Backend } from '../backends/backend.ts';
import { didYouMean } from '../did-you-mean.ts';
import { GomoteError } from '../errors.ts';
import { anySignal, timeoutSignal } from '../timeout-signal.ts';
import type { Config } from './config/config-file.ts';

/** What is needed of a command's places. */
interface Places {
  readonly signal: AbortSignal;
  config(): Promise<Config>;
  backend(name: string): Promise<Backend>;
  fullName(backendName: string, name: string): Promise<string>;
}

/** How long the backends may take to list their buildlets, in ms: an error waits to be shown. */
const listMs = 3_000;

/** The error with the name that was probably meant, if one is near enough; else as it is. */
export async function withSuggestion(
  error: GomoteError,
  name: string,
  places: Places,
): Promise<GomoteError> {
  const known = await namesEverywhere(places);
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

async function namesEverywhere(places: Places): Promise<string[]> {
  const signal = anySignal(places.signal, timeoutSignal(listMs));
  const { backends } = await places.config();
  const lists = await Promise.allSettled(
    [...backends.keys()].map(async (backendName) => {
      const instances = await (await places.backend(backendName)).list({
        signal,
        onFailure: () => undefined,
      });
      return await Promise.all(instances.map(({ name }) => places.fullName(backendName, name)));
    }),
  );
  return lists.flatMap((list) => (list.status === 'fulfilled' ? list.value : []));
}
