// What the first word of a command can be: the name of a buildlet, or something else.
import type { AnyBackend, BackendCall } from '../../backends/backend.ts';
import { isAdHocHost } from '../../backends/ssh/ad-hoc.ts';
import { builderTypeOfName, nameEnding } from '../../builders.ts';
import { type ErrorCode, isGomoteError } from '../../errors.ts';
import { isAddress, splitName } from '../../gomote/buildlet-name.ts';
import { labelled } from '../../gomote/labelled.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import { nameLabel } from '../../protocol/labels.ts';
import type { Context } from '../context.ts';

/**
 * Whether the word has the form of the names that gomote gives. Such a word is never anything else: a script that names a
 * buildlet which has ended is told so, and does not run its command somewhere else.
 */
export async function looksLikeName(word: string, context: Context): Promise<boolean> {
  const { catalogue } = await context.config();
  if (isAddress(word)) return builderTypeOfName(catalogue, word) !== undefined;
  const { instance } = splitName(word);
  if (!nameEnding.test(instance) || !buildletName.test(instance)) return false;
  const isOfType = builderTypeOfName(catalogue, instance) !== undefined;
  // A coordinator's own users, types and names are not asked for: that would be a request more for every command.
  return (
    isOfType || instance.startsWith(`${await context.user()}-`) || instance.startsWith('user-')
  );
}

const isBackend = (name: string, configured: ReadonlyMap<string, unknown>): boolean =>
  configured.has(name) || name === 'docker' || isAdHocHost(name);

/** The names that a backend has listed. */
export type Asked = Map<string, Promise<ReadonlySet<string>>>;

/** Whether there is a buildlet of that name. Throws when its backend does not say. */
export async function isThere(
  word: string,
  context: Context,
  asked: Asked = new Map(),
): Promise<boolean> {
  const { backends } = await context.config();
  const { backend: given, instance } = splitName(word);
  if (isAddress(word)) return await looksLikeName(word, context);
  if (!buildletName.test(instance)) return false;
  if (given !== undefined && !isBackend(given, backends)) return false;
  const backend = await context.backend(given);
  const call = { signal: context.signal };
  // A coordinator is asked once for all names: to connect asks it nothing.
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
      return (await labelled(backend, instance, context.signal)) !== undefined;
    }
    // It is there, whatever is wrong with it, or somebody else's.
    if (isGomoteError(error) && besideTheName.includes(error.code)) return true;
    throw error;
  }
}

const besideTheName: readonly ErrorCode[] = ['ERR_BUILDLET_DIED', 'ERR_MACHINE', 'ERR_NOT_OWNER'];

const namesOf = async (backend: AnyBackend, call: BackendCall): Promise<ReadonlySet<string>> =>
  new Set(
    (await backend.list(call)).flatMap(({ name, labels }) => [name, labels?.[nameLabel] ?? name]),
  );

/** `A,B,C`: its elements; undefined for a word that is no list of names. */
export function namesInList(word: string): string[] | undefined {
  if (!word.includes(',')) return undefined;
  const names = [...new Set(word.split(',').filter((name) => name !== ''))];
  return names.length > 0 && names.every((name) => /^[\w.\-/@:[\]]+$/.test(name))
    ? names
    : undefined;
}

/** `BACKEND/NAME`, whatever backend the command has chosen. */
export async function fullNameOf(name: string, context: Context): Promise<string> {
  const { backend, instance } = splitName(name);
  return `${(await context.backend(backend)).name}/${instance}`;
}
