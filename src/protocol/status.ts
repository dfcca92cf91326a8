// The JSON of `/status` as a buildlet writes it.

/** What a buildlet says of itself. */
export interface BuildletStatus {
  /** The protocol's version; a coordinator refuses any below 1. */
  version: number;
}

export const formatStatus = (status: BuildletStatus): string =>
  JSON.stringify({ Version: status.version });
