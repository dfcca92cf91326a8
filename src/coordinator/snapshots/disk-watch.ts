// Ends what would fill the coordinator's disk.
import { statfsSync } from 'node:fs';
import { GomoteError } from '../../errors.ts';

/** The part of the disk that is left to others. */
const keptFree = 20;

/** How many bytes are written between two looks at the disk. */
const lookBytes = 16 << 20;

/** Call the result with the size of what is about to be written: it throws ERR_QUOTA when the disk is nearly full. */
export function diskWatch(directory: string): (bytes: number) => void {
  let bytes = 0;
  let lookAt = 0;
  return (more) => {
    bytes += more;
    if (bytes < lookAt) return;
    lookAt = bytes + lookBytes;
    const { bavail, blocks } = statfsSync(directory);
    if (bavail > blocks / keptFree) return;
    throw new GomoteError('ERR_QUOTA', 'the disk of the coordinator is full', {
      hint: 'remove snapshots, or keep it on your machine with --here',
    });
  };
}
