// The JSON of `/status` as a buildlet writes it.
import type { EnforcedLimit } from './limits.ts';

/** How the commands of a buildlet are confined, as actually enforced. */
export interface ConfinementStatus {
  /** How commands are isolated from the machine. */
  readonly isolation: 'none' | 'bubblewrap';
  /** The network of commands. */
  readonly network: 'host' | 'none';
  /** The limits of commands. */
  readonly limits: readonly EnforcedLimit[];
}

/** The programs of a buildlet, and its machine. */
export interface SoftwareStatus {
  /** The version of this package. */
  readonly gomote: string;
  /** The version of Node.js, such as `v20.20.2`. */
  readonly node: string;
  /** Such as `linux 6.1.0 x64`. */
  readonly system: string;
}

/** A buildlet's report about itself. */
export interface BuildletStatus {
  /** The protocol's version; a coordinator refuses any below 1. */
  version: number;
  /** The extensions it has; a Go buildlet announces none. */
  features: readonly string[];
  /** Absent: not reported, as by Go's buildlet. */
  confinement?: ConfinementStatus | undefined;
  /** Absent: it does not say. */
  software?: SoftwareStatus | undefined;
}

export const formatStatus = ({
  version,
  features,
  confinement,
  software,
}: BuildletStatus): string =>
  JSON.stringify({
    Version: version,
    ...(features.length > 0 && { Features: features }),
    Confinement: confinement,
    Software: software,
  });
