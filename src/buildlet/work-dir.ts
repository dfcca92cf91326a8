// The directory a buildlet works in: given, or made for it and removed at its end.
import { mkdir, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GomoteError, messageOf } from '../errors.ts';
import { removeTree } from './remove-tree.ts';

export interface WorkDir {
  /** Absolute, without links. */
  readonly path: string;
  /** Removes it, if the buildlet made it. */
  release(): Promise<void>;
}

/** Makes the work dir ready; without a path it is a fresh one in the system's temporary directory. */
export async function openWorkDir(path: string | undefined): Promise<WorkDir> {
  try {
    const made =
      path === undefined || (await mkdir(path, { recursive: true, mode: 0o700 })) !== undefined;
    const absolute = await realpath(path ?? (await mkdtemp(join(tmpdir(), 'buildlet-'))));
    return {
      path: absolute,
      release: async () => {
        if (made) await removeTree(absolute);
      },
    };
  } catch (error) {
    throw new GomoteError('ERR_LOCAL_FILE', `cannot use the work dir: ${messageOf(error)}`, {
      hint: 'give another with --workdir',
      cause: error,
    });
  }
}
