// The JSON of `/status` as a buildlet writes it.
import type { EnforcedLimit } from './limits.ts';

/** What confines the commands of a buildlet, as far as it is really enforced. */
export interface ConfinementStatus {
  /** What keeps commands apart from the machine. */
  readonly isolation: 'none' | 'bubblewrap';
  /** Which network commands have. */
  readonly network: 'host' | 'none';
  /** The limits that hold for commands. */
  readonly limits: readonly EnforcedLimit[];
}

/** What a buildlet says of itself. */
export interface BuildletStatus {
  /** The protocol's version; a coordinator refuses any below 1. */
  version: number;
  /** The extensions it has; a Go buildlet announces none. */
  features: readonly string[];
  /** Absent: it does not say, as Go's. */
  confinement?: ConfinementStatus | undefined;
}

export const formatStatus = ({ version, features, confinement }: BuildletStatus): string =>
  JSON.stringify({
    Version: version,
    ...(features.length > 0 && { Features: features }),
    Confinement: confinement,
  });
