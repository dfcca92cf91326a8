// Finds buildlets by the label `name`.
import type { AnyBackend } from '../backends/backend.ts';
import { nameEnding } from '../builders.ts';
import { GomoteError } from '../errors.ts';
import { nameLabel } from '../protocol/labels.ts';

/**
 * Returns the name of the buildlet with this label `name`; undefined when there is none, and for words in the form of buildlet names,
 * which cannot be labels. Throws ERR_CONFLICT when several buildlets have the label.
 */
export async function findByLabel(
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
