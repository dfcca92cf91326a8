// Symbolic links and FIFOs of one extraction.
import { execFileSync } from 'node:child_process';
import { posix } from 'node:path';
import { isInside, type LinkTarget, lookAt, trace } from '../files/confine.ts';
import { setLinkTime } from '../files/exact-time.ts';
import { maxLinks } from '../files/file-name.ts';
import { lstatSync, renameSync } from '../files/named-fs.ts';
import { partialName } from '../files/reserved-names.ts';
import { archiveErrors, outsideLinkError } from './archive-error.ts';
import { directoryInPlace, type Placement } from './placement.ts';
import type { Staging } from './staging.ts';
import type { TarEntry } from './tar-reader.ts';

/** A link that is made last, by its name in the archive. */
export interface DeferredLink {
  readonly entry: TarEntry;
  readonly elements: readonly string[];
}

export function makeFifo(entry: TarEntry, at: string): void {
  const stats = lstatSync(at, { throwIfNoEntry: false });
  if (stats?.isDirectory()) throw directoryInPlace(entry.name);
  const mode = ((entry.mode ?? 0o644) & 0o777).toString(8);
  // Arguments of programs cannot have names that are not UTF-8.
  const temporary = `${posix.dirname(at)}/${partialName()}`;
  execFileSync('mkfifo', ['-m', mode, '--', temporary], { stdio: ['ignore', 'ignore', 'pipe'] });
  renameSync(temporary, at);
  if (entry.mtime !== undefined) setLinkTime(at, entry.mtime);
}

/**
 * The elements of a name with the archive's own links in the place of the directories that they lead to, as they would be
 * followed if they were there already. Throws ERR_ARCHIVE when that leads out.
 */
export function followLinks(
  name: string,
  elements: readonly string[],
  links: ReadonlyMap<string, DeferredLink>,
): readonly string[] {
  let resolved = elements;
  let followed = 0;
  for (let count = 1; links.size > 0 && count < resolved.length; count++) {
    const link = links.get(resolved.slice(0, count).join('/'));
    if (link === undefined) continue;
    const place = joined(resolved.slice(0, count - 1), link.entry.linkTarget);
    followed++;
    if (place === undefined || followed > maxLinks) {
      throw archiveErrors.entry(
        name,
        `the symbolic link ${link.entry.name} on its way leads out of the directory`,
      );
    }
    resolved = [...place, ...resolved.slice(count)];
    count = 0;
  }
  return resolved;
}

/** Where a relative link in a directory leads; undefined when that is not below the top. */
function joined(directory: readonly string[], target: string): string[] | undefined {
  if (target.startsWith('/')) return undefined;
  const place = [...directory];
  for (const element of target.split('/')) {
    if (element === '' || element === '.') continue;
    if (element !== '..') place.push(element);
    else if (place.pop() === undefined) return undefined;
  }
  return place;
}

interface LinkPlan {
  readonly entry: TarEntry;
  readonly place: string;
}

/**
 * Checks all links as they will be once everything has its place. Throws ERR_ARCHIVE when one leads out of `root`, if given, also
 * through another: `a -> b/../x`, `b -> .` stay inside alone, and both together do not.
 */
export function planLinks(
  root: string | undefined,
  base: string,
  links: Iterable<DeferredLink>,
  { placement, staging }: { placement: Placement; staging: Staging },
): LinkPlan[] {
  const byPlace = new Map<string, LinkPlan>();
  for (const { entry, elements } of links) {
    const place = placement.planLink(elements.join('/'));
    byPlace.set(place, { entry, place });
  }
  if (root === undefined) return [...byPlace.values()];
  const look = (path: string): LinkTarget => {
    const place = isInside(base, path) ? path.slice(base.length + 1) : '';
    const link = byPlace.get(place);
    if (link !== undefined) return { target: link.entry.linkTarget };
    const staged = placement.stagedAt(place);
    return lookAt(staged === undefined ? path : staging.tree.shown(staged));
  };
  for (const { entry, place } of byPlace.values()) {
    const directory = place.includes('/')
      ? `${base}/${place.slice(0, place.lastIndexOf('/'))}`
      : base;
    const target = entry.linkTarget.split('/');
    const { problem } = trace(root, directory, target, { follow: true, look });
    if (problem === 'outside') throw outsideLinkError(entry.name, entry.linkTarget);
  }
  return [...byPlace.values()];
}
