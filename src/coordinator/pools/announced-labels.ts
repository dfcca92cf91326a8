// Labels of machines that dial in: those of their pool, and of what a machine says of itself the ones that are believed.
import { setNewest } from '../../newest.ts';
import { hasLabels, type Labels, type WantedLabels } from '../../protocol/labels.ts';

export interface LabelPolicy {
  /** Of each machine of the pool, whatever it says. */
  readonly labels?: Labels | undefined;
  /** The keys of labels that a machine may give itself. */
  readonly believed: readonly string[];
}

/** How many machines are remembered: they may have ever new names. */
const limit = 1_000;

export class AnnouncedLabels {
  policy: LabelPolicy;
  readonly #settledAtMs: number;
  /** What machines were labelled when they were here last. */
  readonly #seen = new Map<string, Labels>();

  /** @param graceMs How long after the start machines may still dial in that nobody has heard of. */
  constructor(policy: LabelPolicy, graceMs: number) {
    this.policy = policy;
    this.#settledAtMs = performance.now() + graceMs;
  }

  /** The labels of the machine of that name, which announces these. */
  arrived(machine: string, announced: Labels | undefined): Labels {
    const { labels, believed } = this.policy;
    const taken = Object.entries(announced ?? {}).filter(([name]) => believed.includes(name));
    const all = { ...Object.fromEntries(taken), ...labels };
    setNewest(this.#seen, machine, all, limit);
    return all;
  }

  of(machine: string): Labels | undefined {
    return this.#seen.get(machine) ?? this.policy.labels;
  }

  /** Whether a machine with these labels may come: one that was here, or soon after the start any that is possible. */
  mayCome(wanted: WantedLabels): boolean {
    const { labels = {}, believed } = this.policy;
    const open = wanted.filter(([name]) => !Object.hasOwn(labels, name));
    const isFixed = hasLabels(
      labels,
      wanted.filter(([name]) => Object.hasOwn(labels, name)),
    );
    if (!isFixed || !open.every(([name]) => believed.includes(name))) return false;
    if (open.length === 0 || performance.now() < this.#settledAtMs) return true;
    return [...this.#seen.values()].some((seen) => hasLabels(seen, wanted));
  }
}
