// The JSON of `/status` as a buildlet writes it.

/** What a buildlet says of itself. */
export interface BuildletStatus {
  /** The protocol's version; a coordinator refuses any below 1. */
  version: number;
  /** The extensions it has; a Go buildlet announces none. */
  features: readonly string[];
}

export const formatStatus = ({ version, features }: BuildletStatus): string =>
  JSON.stringify({ Version: version, ...(features.length > 0 && { Features: features }) });
