// A request for machines of a host type, from the moment it waits, and whether it can ever be served.
import { GomoteError } from '../../errors.ts';
import { plural } from '../../plural.ts';
import { hasLabels, labelText, type WantedLabels, wantedText } from '../../protocol/labels.ts';
import type { AcquireCall, MachineImage, Member, Pool } from './pool.ts';

/** A machine that was handed out. */
export interface LentMachine {
  /** The name of its pool. */
  readonly pool: string;
  readonly id: string;
}

export interface MachineRequest extends AcquireCall {
  /** Pools that have said that they have none: the request waits for others. */
  readonly avoided: Set<Pool>;
  readonly owner: string;
  /** How many machines it wants: all at once, or none. */
  readonly count: number;
  /** It grows with waiting. */
  readonly priority: number;
  readonly sinceMs: number;
  /** The last position that was reported. */
  shownAhead: number | undefined;
  readonly grant: (machines: LentMachine[]) => void;
  readonly refuse: (error: unknown) => void;
}

/** What of it may be shown. */
export interface WaitingView
  extends Pick<MachineRequest, 'owner' | 'count' | 'sinceMs' | 'priority'> {
  readonly ahead: number;
}

/** How many labels are named in a refusal. */
const namedLabels = 20;

/** Whether its machines can begin with the image, if one is asked for. */
export const canUse = ({ images, hostType }: Pool, image: MachineImage | undefined): boolean =>
  image === undefined || (images?.place === image.place && hostType === image.hostType);

/** Throws ERR_NO_CAPACITY where there will never be as many such machines, and while none of them is up. */
export function refuseUnsatisfiable(
  hostType: string,
  all: readonly Pool[],
  { count, wanted, image }: Pick<MachineRequest, 'count' | 'wanted' | 'image'>,
): void {
  const pools = all.filter((pool) => canUse(pool, image));
  if (pools.length === 0 && image !== undefined) {
    const why =
      hostType === image.hostType
        ? `no pool of ${hostType} is where it is`
        : `it is of a machine of ${image.hostType}, not of ${hostType}`;
    throw new GomoteError('ERR_NO_CAPACITY', `the image of the snapshot cannot be used: ${why}`);
  }
  const total = (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0);
  const size = total(pools.map((pool) => sizeOf(pool, wanted)));
  const what = `${hostType}${wantedText(wanted)}`;
  if (size === 0 && wanted.length > 0) {
    const message = `there is no machine of ${what}; their labels are: ${labelsIn(pools)}`;
    throw new GomoteError('ERR_NO_CAPACITY', message);
  }
  if (count > size) {
    const message = `${count} buildlets can never be had at once: only ${plural(size, 'machine')} of ${what}`;
    throw new GomoteError('ERR_NO_CAPACITY', message, { hint: 'ask for fewer' });
  }
  if (pools.some((pool) => hasMachinesUp(pool, wanted))) return;
  const reasons = pools.flatMap(({ unavailable }) =>
    unavailable === undefined ? [] : [unavailable.text],
  );
  throw new GomoteError('ERR_NO_CAPACITY', `no machine of ${what} is up: ${reasons.join('; ')}`);
}

const fitting = ({ members = [] }: Pool, wanted: WantedLabels): readonly Member[] =>
  members.filter(({ labels }) => hasLabels(labels, wanted));

/** How many machines with the labels there can ever be. */
function sizeOf(pool: Pool, wanted: WantedLabels): number {
  const { members, size = Number.POSITIVE_INFINITY } = pool;
  if (pool.mayGain !== undefined) return pool.mayGain(wanted) ? size : fitting(pool, wanted).length;
  if (members === undefined) return hasLabels(pool.labels, wanted) ? size : 0;
  return Math.min(size, fitting(pool, wanted).length);
}

/** Whether one with the labels is up, or may be made or come. */
export function hasMachinesUp(pool: Pool, wanted: WantedLabels): boolean {
  if (pool.members === undefined) return hasLabels(pool.labels, wanted);
  return pool.mayGain?.(wanted) === true || fitting(pool, wanted).some(({ isUp }) => isUp);
}

function labelsIn(pools: readonly Pool[]): string {
  const all = pools.flatMap(({ labels, members }) => [
    labels,
    ...(members ?? []).map((member) => member.labels),
  ]);
  const texts = [...new Set(all.flatMap((labels) => Object.entries(labels ?? {}).map(labelText)))];
  const named = texts.sort().slice(0, namedLabels);
  const more = texts.length > namedLabels ? [`and ${texts.length - namedLabels} more`] : [];
  return texts.length === 0 ? 'none' : [...named, ...more].join(', ');
}
