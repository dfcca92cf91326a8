// By what names ssh knows buildlets.
import { builderTypeOfName, nameEnding } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import { nameLabel } from '../../protocol/labels.ts';
import { isAddress, splitName } from '../buildlet-name.ts';
import type { Gomote } from '../gomote.ts';
import type { ListedBuildlet } from '../list.ts';
import type { SshHost } from './host-entries.ts';

/** No host of the Internet ends so: no entry of the user's can be meant. */
const ending = '.gomote';

/**
 * The named buildlets, or all of the user's. `onFailure` is called for each backend that does not answer.
 *
 * @throws GomoteError ERR_UNKNOWN_BUILDLET for a name that is none.
 */
export async function sshHosts(
  gomote: Gomote,
  names: readonly string[],
  onFailure: (error: GomoteError) => void,
): Promise<SshHost[]> {
  const { backends } = gomote;
  const wanted = names.filter((name) => !isAddress(name));
  const addresses = names.filter(isAddress).map((name) => ({ name, aliases: [aliasOf(name)] }));
  if (names.length > 0 && wanted.length === 0) return addresses;
  const all = (await gomote.list({ onFailure })).filter(({ dead }) => dead === undefined);
  const usual = await backends.defaultName();
  const found =
    names.length === 0
      ? all
      : wanted.map((name) => named(name, all, splitName(name).backend ?? usual));
  const { catalogue } = await backends.config();
  const hosts = found
    .filter(({ instance }) => buildletName.test(instance))
    .map((one) => {
      const { backend, instance, labels } = one;
      const places = backend === usual ? [] : [backend];
      const label = labels?.[nameLabel];
      const ofGomote = nameEnding.test(instance) && !instance.includes('.');
      const isPlain = ofGomote && builderTypeOfName(catalogue, instance) !== undefined;
      const aliases = [
        aliasOf(instance, ...places),
        ...(label === undefined ? [] : [aliasOf(label, ...places)]),
        // A name of this form is no other host's.
        ...(isPlain && places.length === 0 ? [instance] : []),
      ];
      return { name: `${backend}/${instance}`, aliases: withSmallLetters(aliases) };
    });
  return [...hosts, ...addresses];
}

function named(name: string, all: readonly ListedBuildlet[], backend: string): ListedBuildlet {
  const { instance } = splitName(name);
  const there = all.filter((one) => one.backend === backend);
  const found =
    there.find((one) => one.instance === instance) ??
    there.find(({ labels }) => labels?.[nameLabel] === instance);
  if (found !== undefined) return found;
  throw new GomoteError('ERR_UNKNOWN_BUILDLET', `there is no buildlet "${name}"`, {
    hint: 'see gomote list',
  });
}

const aliasOf = (...parts: readonly string[]): string =>
  `${parts.map((part) => part.replaceAll(/[^\w.-]+/g, '-').replace(/^[-.]+/, '')).join('.')}${ending}`;

/** ssh may look for a host in small letters. */
const withSmallLetters = (aliases: readonly string[]): string[] => [
  ...new Set(aliases.flatMap((alias) => [alias, alias.toLowerCase()])),
];
