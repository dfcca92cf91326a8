// The extensions of a buildlet: announced in `/status`, used only when announced.
import { hasZstd } from './has-zstd.ts';

/** `Gomote-Compress` and `Gomote-Totals`: protocol/transfer.ts. */
export const transferFeature = 'transfer';
/** Archives in zstd, both ways. */
export const zstdFeature = 'zstd';
/** Single files, read on after a cut, and written with checksums: `/file`. */
export const fileFeature = 'file';

/** Trailers that can be requested when a proxy dropped them: `/trailer`. */
export const lateTrailerFeature = 'late-trailer';

/** Trees pushed and pulled by their changes: the endpoints below `/sync/`. */
export const syncFeature = 'sync';

/** Contents that a store has are not sent: `/sync/stored`. */
export const storeFeature = 'store';

/** A buildlet that ends soon after the client that holds it has disconnected: `/hold`. */
export const holdFeature = 'hold';

/** The times of output, for readers of a log that ask with `times=1`. */
export const timesFeature = 'times';

/** Commands that stop when their output matches: the field `break` of `/session`. */
export const breakFeature = 'break';

/** Runs that outlive connections: `/session`. */
export const sessionFeature = 'session';

/** Runs of our own sftp server: protocol/session.ts. */
export const sftpFeature = 'sftp';

/** Ports and sockets of the machine: `/forward`. */
export const forwardFeature = 'forward';

/** Archives as snapshots need them: protocol/transfer.ts. */
export const snapshotFeature = 'snapshot';

/** File names with any bytes but NUL, including backslashes, where the system allows them. */
export const namesFeature = 'names';

/** Caches on disks of its virtual machine, which it mounts before it answers. */
export const cacheDisksFeature = 'cache-disks';

/** The extensions of our buildlet; docs/protocol.md has a section on each. */
export const buildletFeatures: readonly string[] = [
  'reset',
  sessionFeature,
  transferFeature,
  fileFeature,
  lateTrailerFeature,
  syncFeature,
  storeFeature,
  holdFeature,
  timesFeature,
  forwardFeature,
  snapshotFeature,
  sftpFeature,
  cacheDisksFeature,
  ...(process.platform === 'win32' ? [] : [namesFeature, breakFeature]),
  ...(hasZstd ? [zstdFeature] : []),
];
