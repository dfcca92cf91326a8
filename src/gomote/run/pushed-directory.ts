// Records where a tree was pushed on a buildlet: commands run there by default. The record is local, so that a
// run needs no request for it; its key is the buildlet's address and password, so that another buildlet of the same name has none.
import { dirname, join } from 'node:path';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { readFileSync, realpathSync } from '../../files/named-fs.ts';
import { hasPrivateDirectory, makePrivateDirectory } from '../../files/private-directory.ts';
import { removeOldFiles, replaceFile } from '../../files/replace-file.ts';
import { userDirectory } from '../../files/user-directories.ts';
import { bytesOfName, nameFromBytes } from '../../protocol/name-bytes.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';

type Buildlet = Pick<BuildletClient, 'ipPort' | 'remoteName' | 'target'>;

/** Longer than the lifetime of any buildlet, in ms. */
const keptMs = 90 * 24 * 3_600_000;

const what = 'the directory of pushed trees';

const recordsIn = (environment: NodeJS.ProcessEnv): string =>
  join(userDirectory(environment, 'XDG_STATE_HOME', '.local', 'state'), 'gomote-pushed');

/**
 * A hash (FNV-1a, 64 bits) of the identity of buildlets and trees. Nobody else chooses the input, and 64 bits reveal no
 * password. Loading Node's crypto would take a tenth of the time of a run.
 */
function recordName({ ipPort, remoteName, target }: Buildlet, top: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(JSON.stringify([ipPort, remoteName, target.authorization, top])))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
}

/** Records that the tree at `top`, a real path, is in `dir` of the buildlet. Failures to write are ignored. */
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
    // The user must pass --dir then, as without a push.
  }
}

/** Where the nearest tree around the current directory was pushed on the buildlet; undefined without a push. */
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
    // The current directory was removed, or another user could have written the record.
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
 * The default directory of a command: where the tree was pushed. A command that is a path in the work directory,
 * as with Go's gomote, starts in its own directory: `go/src/make.bash` in `go/src`.
 */
export const startDirectory = (cmd: string, pushed = ''): string =>
  pushed !== '' && cmd.startsWith(`${pushed}/`) ? '' : pushed;
