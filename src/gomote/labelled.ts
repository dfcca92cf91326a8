// Buildlets by the label that their user has given them for a name.
import type { AnyBackend } from '../backends/backend.ts';
import { nameEnding } from '../builders.ts';
import { GomoteError } from '../errors.ts';
import { nameLabel } from '../protocol/labels.ts';

/**
 * The name of the buildlet with that label `name`; undefined when there is none, and for words of the form of names, which
 * cannot be labels. Throws ERR_CONFLICT when several have it.
 */
export async function labelled(
  backend: AnyBackend,
  word: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (nameEnding.test(word)) return undefined;
  const all = await backend.list({ signal });
  if (all.some(({ name }) => name === word)) return word;
  const found = all.filter(({ labels }) => labels?.[nameLabel] === word).map(({ name }) => name);
  if (found.length < 2) return found[0];
  throw new GomoteError('ERR_CONFLICT', `${found.join(', ')} are all named "${word}"`, {
    hint: 'name one of them',
  });
}
