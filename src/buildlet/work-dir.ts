// The work directory of a buildlet: given, or created for it and removed at its end.
import { chmodSync, lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GomoteError, isErrno, messageOf } from '../errors.ts';
import { checkDirectory } from '../files/private-directory.ts';
import { removeTree } from '../files/remove-tree.ts';
import { usage } from './option-values.ts';

export const workDirFlags = { workdir: { type: 'string' }, volume: { type: 'string' } } as const;

export const workDirHelp = `  --workdir DIR                 work directory (default: a fresh temporary one);
                                removed at the end if the buildlet made it
  --volume DIR                  make it in DIR, a volume for this machine alone,
                                whoever owns that; what is there stays
`;

/** Where it is to be. */
export interface WorkDirPlace {
  /** Absent: a new directory. A directory that was created is removed at the end. */
  readonly workDir?: string | undefined;
  /** A file system that no other machine has: it is in that, and stays. */
  readonly volume?: string | undefined;
}

export function readWorkDir({
  workdir: workDir,
  volume,
}: {
  readonly workdir?: string | undefined;
  readonly volume?: string | undefined;
}): WorkDirPlace {
  if (workDir === undefined || volume === undefined) return { workDir, volume };
  throw usage('--workdir cannot go with --volume', 'leave one of them out');
}

interface WorkDir {
  readonly path: string;
  /** Removes it, if the buildlet created it. */
  release(): Promise<void>;
}

/** Prepares the given work directory; without one, a new directory in `scratch`. */
export function openWorkDir({ workDir: given, volume }: WorkDirPlace, scratch: string): WorkDir {
  try {
    if (volume !== undefined) return { path: inVolume(volume), release: async () => undefined };
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

/** The directory above may belong to anybody: nobody else is on this machine. An earlier command may have made a link of this one. */
function inVolume(volume: string): string {
  const path = join(realpathSync(volume), 'work');
  try {
    mkdirSync(path, { mode: 0o700 });
    // Without the bit that it has of a volume with a group: what is made in it would get that group, too.
    chmodSync(path, 0o700);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
  if (lstatSync(path).isDirectory()) return path;
  throw new GomoteError('ERR_CONFIG', `the work directory ${path} is not a directory`);
}
