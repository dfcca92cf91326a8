// What the first word of a command can be: the name of a buildlet, or something else.
import type { AnyBackend, BackendCall } from '../../backends/backend.ts';
import { isAdHocHost } from '../../backends/ssh/ad-hoc.ts';
import { builderTypeOfName, nameEnding } from '../../builders.ts';
import { type ErrorCode, isGomoteError } from '../../errors.ts';
import { isAddress, splitName } from '../../gomote/buildlet-name.ts';
import { findByLabel } from '../../gomote/find-by-label.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import { nameLabel } from '../../protocol/labels.ts';
import type { Context } from '../context.ts';

/**
 * Whether the word has the form of a generated name. Such a word is always taken as a buildlet: a script that names a
 * buildlet that has ended fails, and does not run its command somewhere else.
 */
export async function looksLikeName(word: string, context: Context): Promise<boolean> {
  const { catalogue } = await context.backends.config();
  if (isAddress(word)) return builderTypeOfName(catalogue, word) !== undefined;
  const { instance } = splitName(word);
  if (!nameEnding.test(instance) || !buildletName.test(instance)) return false;
  const isOfType = builderTypeOfName(catalogue, instance) !== undefined;
  // A coordinator is not asked for its users, types and names: that would cost every command a request.
  return (
    isOfType ||
    instance.startsWith(`${await context.backends.user()}-`) ||
    instance.startsWith('user-')
  );
}

const isBackend = (name: string, configured: ReadonlyMap<string, unknown>): boolean =>
  configured.has(name) || name === 'docker' || isAdHocHost(name);

/** The names on each backend that was asked. */
export type AskedBackends = Map<string, Promise<ReadonlySet<string>>>;

/** Whether there is a buildlet of that name. Throws when its backend cannot tell. */
export async function isThere(
  word: string,
  context: Context,
  asked: AskedBackends = new Map(),
): Promise<boolean> {
  const { backends } = await context.backends.config();
  const { backend: given, instance } = splitName(word);
  if (isAddress(word)) return await looksLikeName(word, context);
  if (!buildletName.test(instance)) return false;
  if (given !== undefined && !isBackend(given, backends)) return false;
  const backend = await context.backends.open(given);
  const call = { signal: context.signal };
  // One request lists all names of a coordinator; `connect` would make none.
  if (backend.whoAmI !== undefined) {
    const names = asked.get(backend.name) ?? namesOf(backend, call);
    asked.set(backend.name, names);
    return (await names).has(instance);
  }
  try {
    const client = await backend.connect(instance, call);
    await client.disconnect();
    return true;
  } catch (error) {
    if (isGomoteError(error, 'ERR_UNKNOWN_BUILDLET')) {
      return (await findByLabel(backend, instance, context.signal)) !== undefined;
    }
    // It exists, even if it is broken or belongs to somebody else.
    if (isGomoteError(error) && besideTheName.includes(error.code)) return true;
    throw error;
  }
}

const besideTheName: readonly ErrorCode[] = ['ERR_BUILDLET_DIED', 'ERR_MACHINE', 'ERR_NOT_OWNER'];

const namesOf = async (backend: AnyBackend, call: BackendCall): Promise<ReadonlySet<string>> =>
  new Set(
    (await backend.list(call)).flatMap(({ name, labels }) => [name, labels?.[nameLabel] ?? name]),
  );

/** The elements of `A,B,C`; undefined when the word is not a list of names. */
export function namesInList(word: string): string[] | undefined {
  if (!word.includes(',')) return undefined;
  const names = [...new Set(word.split(',').filter((name) => name !== ''))];
  return names.length > 0 && names.every((name) => /^[\w.\-/@:[\]]+$/.test(name))
    ? names
    : undefined;
}

/** `BACKEND/NAME`, whichever backend the command uses. */
export async function fullNameOf(name: string, context: Context): Promise<string> {
  const { backend, instance } = splitName(name);
  return `${(await context.backends.open(backend)).name}/${instance}`;
}

/** `BACKEND/NAME` as the user would write it. */
export async function shortName(name: string, context: Context): Promise<string> {
  const { backend, instance } = splitName(name);
  return backend === undefined ? name : await context.backends.fullName(backend, instance);
}
