// Where the tree that one works in was pushed on a buildlet: commands run there unless told otherwise. Kept here, so that a
// run asks nothing for it, and under the buildlet's address and password, so that another one of the same name has none.

import { dirname, join } from 'node:path';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { readFileSync, realpathSync } from '../../files/named-fs.ts';
import { hasPrivateDirectory, makePrivateDirectory } from '../../files/private-directory.ts';
import { removeOldFiles, replaceFile } from '../../files/replace-file.ts';
import { userDirectory } from '../../files/user-directories.ts';
import { bytesOfName, nameFromBytes } from '../../protocol/name-bytes.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';

type Buildlet = Pick<BuildletClient, 'ipPort' | 'remoteName' | 'target'>;

/** Longer than any buildlet lives, in ms. */
const keptMs = 90 * 24 * 3_600_000;

const what = 'the directory of pushed trees';

const recordsIn = (environment: NodeJS.ProcessEnv): string =>
  join(userDirectory(environment, 'XDG_STATE_HOME', '.local', 'state'), 'gomote-pushed');

/**
 * A hash (FNV-1a, 64 bits) of what tells buildlets and trees apart. Nobody else chooses these, and 64 bits are too few to
 * tell a password; Node's crypto takes a tenth of a run to load.
 */
function recordName({ ipPort, remoteName, target }: Buildlet, top: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(JSON.stringify([ipPort, remoteName, target.authorization, top])))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
}

/** Notes that the tree at `top`, a real path, is in `dir` of the buildlet. What cannot be written is not noted. */
export function notePushed(
  buildlet: Buildlet,
  { top, dir }: { readonly top: string; readonly dir: string },
  environment: NodeJS.ProcessEnv,
): void {
  try {
    const records = recordsIn(environment);
    makePrivateDirectory(records, what);
    replaceFile(join(records, recordName(buildlet, top)), bytesOfName(dir));
    removeOldFiles(records, keptMs);
  } catch {
    // A run needs --dir then, as without a push.
  }
}

/** Where the nearest tree around the current directory was pushed on the buildlet; undefined when none was. */
export function pushedDirectory(
  buildlet: Buildlet,
  environment: NodeJS.ProcessEnv,
): string | undefined {
  try {
    const records = recordsIn(environment);
    if (!hasPrivateDirectory(records, what)) return undefined;
    for (let top = realpathSync('.'); ; top = dirname(top)) {
      const found = read(join(records, recordName(buildlet, top)));
      if (found !== undefined || top === dirname(top)) return found;
    }
  } catch {
    // The current directory has gone, or somebody else could have written what is there.
    return undefined;
  }
}

function read(path: string): string | undefined {
  try {
    const dir = nameFromBytes(readFileSync(path));
    return normalizeRelativePath(dir) === dir ? dir : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Where a command starts when nobody says it: where the tree was pushed. One that is named by its path in the work directory,
 * as with Go's gomote, starts in its own directory: `go/src/make.bash` in `go/src`.
 */
export const startDirectory = (cmd: string, pushed = ''): string =>
  pushed !== '' && cmd.startsWith(`${pushed}/`) ? '' : pushed;
