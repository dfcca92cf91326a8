// Finds and reads the project file and the files it names: none outside the project, and none of another user.
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf, GomoteError } from '../../errors.ts';
import { currentDirectory, lstatSync, realpathSync } from '../../files/named-fs.ts';
import { readFlags } from '../../files/open-flags.ts';
import { OpenTree } from '../../files/open-tree.ts';
import { errnoText } from '../../protocol/process-state.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';
import type { ProjectFile } from './project-schema.ts';

export const projectFileName = '.gomote.toml';

/** The maximum size of the file, or of a script that it names, in bytes. */
const sizeLimitBytes = 1 << 20;

export interface Project extends ProjectFile {
  /** The directory of the file, a real path. */
  readonly directory: string;
  /** The settings of the file. */
  readonly path: string;
}

/** The project of the current directory or its nearest parent; undefined when there is none. Throws ERR_CONFIG. */
export async function findProject(): Promise<Project | undefined> {
  for (let directory = realpathSync(currentDirectory()); ; directory = dirname(directory)) {
    const path = join(directory, projectFileName);
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
      const bytes = readInProject(directory, projectFileName, path);
      const { parseProject } = await import('./project-schema.ts');
      return { directory, path, ...parseProject(path, bytes) };
    }
    if (directory === dirname(directory)) return undefined;
  }
}

/**
 * Reads a file in the project's directory. Follows no links, neither on the way nor at the end.
 *
 * @param what The name of the file in messages.
 * @throws GomoteError ERR_CONFIG when the path leads out, is not a file, or belongs to another user.
 */
export function readInProject(
  directory: string,
  path: string,
  what: string,
  limitBytes = sizeLimitBytes,
): Buffer {
  const plain = normalizeRelativePath(path);
  if (plain === undefined || plain === '.') throw refusal(what, 'is not below the project');
  const tree = OpenTree.of(directory);
  let fd: number | undefined;
  try {
    const slash = plain.lastIndexOf('/');
    const at = tree.directory(plain.slice(0, Math.max(slash, 0))).at(plain.slice(slash + 1));
    // Opening a FIFO would block.
    fd = openSync(at, readFlags);
    const found = fstatSync(fd);
    if (!found.isFile()) throw refusal(what, 'is not a file');
    const own = process.getuid?.();
    if (own !== undefined && found.uid !== own && found.uid !== 0)
      throw refusal(what, `belongs to another user (uid ${found.uid})`);
    if (own !== undefined && (found.mode & 0o002) !== 0)
      throw refusal(what, 'can be changed by every user', `chmod o-w ${what}`);
    if (found.size > limitBytes) throw refusal(what, `is longer than ${limitBytes >> 20} MiB`);
    return readFileSync(fd);
  } catch (error) {
    if (error instanceof GomoteError) throw error;
    const code = errnoOf(error) ?? String(error);
    // The errors of O_NOFOLLOW for a link, and for a link in place of a directory.
    const reason =
      code === 'ELOOP' || code === 'EMLINK'
        ? 'is a symbolic link'
        : code === 'ENOTDIR'
          ? 'is not below directories of the project: a link or a file is on the way'
          : `cannot be read: ${errnoText(code)}`;
    throw refusal(what, reason);
  } finally {
    if (fd !== undefined) closeSync(fd);
    tree.close();
  }
}

const refusal = (what: string, reason: string, hint = 'put a file of your own in its place') =>
  new GomoteError('ERR_CONFIG', `${what} ${reason}`, { hint });
