// Tracks which of a pool's machines are in use.
import { hasLabels, type Labels, type WantedLabels } from '../../protocol/labels.ts';
import type { Member } from './pool.ts';

/** Those with the fewest labels come first: what is special is kept for those who ask for it. */
export const fewestLabelsFirst = <T extends { readonly labels: Labels | undefined }>(
  machines: readonly T[],
): T[] => {
  const number = ({ labels }: T) => Object.keys(labels ?? {}).length;
  return [...machines].sort((one, other) => number(one) - number(other));
};

/** Those that are free and have the labels, the first to be lent first. */
export const freeWith = (wanted: WantedLabels, members: readonly Member[]): Member[] =>
  fewestLabelsFirst(members.filter(({ isFree, labels }) => isFree && hasLabels(labels, wanted)));
