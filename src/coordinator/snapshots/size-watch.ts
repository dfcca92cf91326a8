// Ends the making of a snapshot that is too large.
import { GomoteError } from '../../errors.ts';
import { diskWatch } from './disk-watch.ts';

export interface SnapshotLimits {
  /** How much all may take; 0: none are kept. */
  readonly limitBytes: number;
  /** How much those of one user may take. */
  readonly perUserBytes: number;
}

/** Throws ERR_QUOTA for a snapshot that no room can be made for. */
export function checkSize(bytes: number, { limitBytes, perUserBytes }: SnapshotLimits): void {
  const most = Math.min(limitBytes, perUserBytes);
  if (bytes <= most) return;
  throw new GomoteError('ERR_QUOTA', `a snapshot here may take ${most} bytes on disk`, {
    hint: 'leave files out with --exclude, or keep it on your machine with --here',
  });
}

/** Call the result with the size of what is about to be written: it throws ERR_QUOTA when that is too much, or fills the disk. */
export function sizeWatch(directory: string, limits: SnapshotLimits): (bytes: number) => void {
  const watchDisk = diskWatch(directory);
  let bytes = 0;
  return (more) => {
    bytes += more;
    checkSize(bytes, limits);
    watchDisk(more);
  };
}
