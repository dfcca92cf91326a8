// The buildlet that `gomote use` has chosen for a project, in `.gomote/buildlet`. That file may come from a repository:
// it is used only when the user's own record of the project says the same.
import { closeSync, fstatSync, lstatSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { ownFileError, reasonOf } from '../../files/local-error.ts';
import { readFlags } from '../../files/open-flags.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { ownDirectory } from '../../files/reserved-names.ts';
import { type ProjectRecord, writeProject } from './project.ts';

const longestBytes = 1_000;

/** The content of the file: a name, nothing, or what is wrong with it. */
type Used = { readonly name: string } | { readonly fault: string } | undefined;

export function usedBuildlet({ root, used }: ProjectRecord): Used {
  const path = join(root, ownDirectory, 'buildlet');
  let text: string | undefined;
  try {
    if (!isOwnDirectory(join(root, ownDirectory))) return undefined;
    text = readShort(path);
  } catch (error) {
    return errnoOf(error) === 'ENOENT'
      ? undefined
      : { fault: `cannot read ${path}: ${reasonOf(error)}` };
  }
  if (used !== undefined && text === `${used}\n`) return { name: used };
  return { fault: `${path} was not written by gomote use here; it is left alone` };
}

/** Writes it, or removes it. Throws ERR_LOCAL_FILE. */
export function useBuildlet(
  name: string | undefined,
  record: ProjectRecord,
  environment: NodeJS.ProcessEnv,
): void {
  const directory = join(record.root, ownDirectory);
  const path = join(directory, 'buildlet');
  try {
    const { used: _, ...rest } = record;
    if (name === undefined) {
      if (isOwnDirectory(directory)) rmSync(path, { force: true });
      writeProject(rest, environment);
      return;
    }
    if (!isOwnDirectory(directory)) mkdirSync(directory, { mode: 0o755 });
    const ignored = join(directory, '.gitignore');
    // Neither git nor a push includes its content.
    if (lstatSync(ignored, { throwIfNoEntry: false }) === undefined) replaceFile(ignored, '*\n');
    writeProject({ ...rest, used: name, buildlets: [...rest.buildlets, name] }, environment);
    replaceFile(path, `${name}\n`);
  } catch (error) {
    if (error instanceof GomoteError) throw error;
    const reason = messageOf(ownFileError(error));
    throw new GomoteError('ERR_LOCAL_FILE', `cannot write ${path}: ${reason}`, {
      hint: 'set GOMOTE_BUILDLET instead',
      cause: error,
    });
  }
}

/** False when it does not exist. Throws ERR_LOCAL_FILE for a link, which could lead anywhere. */
function isOwnDirectory(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isDirectory()) return found !== undefined;
  throw new GomoteError('ERR_LOCAL_FILE', `${path} is not a directory`, { hint: 'remove it' });
}

/** Reads one line of a regular file; anything else could block or never end. */
function readShort(path: string): string {
  const fd = openSync(path, readFlags);
  try {
    if (!fstatSync(fd).isFile()) throw new GomoteError('ERR_LOCAL_FILE', 'it is not a file');
    const bytes = Buffer.alloc(longestBytes);
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, longestBytes, 0));
  } finally {
    closeSync(fd);
  }
}
