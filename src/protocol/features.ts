// What a buildlet can do beyond the base protocol: announced in `/status`, used only when announced.

/** `Gomote-Compress` and `Gomote-Totals`: protocol/transfer.ts. */
export const transferFeature = 'transfer';
/** Archives in zstd, both ways. */
export const zstdFeature = 'zstd';
/** Single files, read on after a cut, and written with checksums: `/file`. */
export const fileFeature = 'file';

/** Trees pushed and pulled by their changes: the endpoints below `/sync/`. */
export const syncFeature = 'sync';

/** The extensions that ours has; docs/protocol.md has a section on each. */
export const buildletFeatures: readonly string[] = [
  'reset',
  'session',
  transferFeature,
  fileFeature,
  syncFeature,
  ...('zstd' in process.versions ? [zstdFeature] : []),
];
