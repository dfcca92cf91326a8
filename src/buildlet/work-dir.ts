// The work directory of a buildlet: given, or created for it and removed at its end.
import { realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GomoteError, messageOf } from '../errors.ts';
import { checkDirectory } from '../files/private-directory.ts';
import { removeTree } from '../files/remove-tree.ts';

interface WorkDir {
  readonly path: string;
  /** Removes it, if the buildlet created it. */
  release(): Promise<void>;
}

/** Prepares the given work directory; without one, a new directory in `scratch`. */
export function openWorkDir(given: string | undefined, scratch: string): WorkDir {
  try {
    const path = given === undefined ? join(scratch, 'work') : resolve(given);
    const rule = {
      what: 'the work directory',
      access: 'readable',
      cure: 'give another with --workdir',
    } as const;
    const isMade = !checkDirectory(path, rule);
    if (isMade) checkDirectory(path, { ...rule, make: true });
    const absolute = realpathSync(path);
    return {
      path: absolute,
      release: async () => {
        if (isMade) await removeTree(absolute);
      },
    };
  } catch (error) {
    if (error instanceof GomoteError) throw error;
    throw new GomoteError('ERR_LOCAL_FILE', `cannot use the work directory: ${messageOf(error)}`, {
      hint: 'give another with --workdir',
      cause: error,
    });
  }
}
