// The JSON of `/status` as a buildlet writes it.
import type { EnforcedLimit } from './limits.ts';

/** What confines the commands of a buildlet, as far as it is really enforced. */
export interface ConfinementStatus {
  readonly isolation: 'none' | 'bubblewrap';
  readonly network: 'host' | 'none';
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
