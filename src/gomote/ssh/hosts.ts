// The host names of buildlets for ssh.
import { builderTypeOfName, nameEnding } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import { nameLabel } from '../../protocol/labels.ts';
import { isAddress, splitName } from '../buildlet-name.ts';
import type { Gomote } from '../gomote.ts';
import type { ListedBuildlet } from '../list.ts';
import type { SshHost } from './host-entries.ts';

/** A suffix that no Internet host has, so that it cannot match an entry of the user. */
const ending = '.gomote';

/**
 * Returns the named buildlets, or all of the user's. `onFailure` is called for each backend that does not answer.
 *
 * @throws GomoteError ERR_UNKNOWN_BUILDLET for an unknown name.
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
        // No other host has a name of this form.
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

/** ssh may look up a host in lower case. */
const withSmallLetters = (aliases: readonly string[]): string[] => [
  ...new Set(aliases.flatMap((alias) => [alias, alias.toLowerCase()])),
];
