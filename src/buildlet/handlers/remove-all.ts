// POST /removeall: removes paths; the work directory itself is emptied. Names what was not there.
import { GomoteError, isErrno } from '../../errors.ts';
import { lstatSync } from '../../files/named-fs.ts';
import { type Place, reach } from '../../files/reach.ts';
import { emptyDirectory, removeBelow } from '../../files/remove-tree.ts';
import { readForm, sendEmpty } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import { quoted } from '../../printable.ts';
import { errnoText } from '../../protocol/process-state.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';
import { formatWarnings, warningsHeader } from '../../protocol/transfer.ts';
import { localFileError, withErrorsOf } from '../../tar/archive-error.ts';
import { headerOf } from './request.ts';

export function removeAll(workDir: string): Handler {
  return async ({ request, response }) => {
    const given = (await readForm(request)).getAll('path');
    if (given.length === 0) throw new GomoteError('ERR_REQUEST', "requires 'path' parameter");
    // Every path is checked before anything is removed.
    for (const path of given) placeOf(workDir, path)?.close();
    const absent: string[] = [];
    for (const path of given) if (!(await remove(workDir, path))) absent.push(path);
    const isAsked = headerOf(request, warningsHeader) !== undefined;
    if (isAsked && absent.length > 0)
      response.setHeader(warningsHeader, formatWarnings(warningsOf(absent)));
    sendEmpty(response);
  };
}

/** How many names a header holds, and how long each may be. */
const maxNamed = 10;
const maxShown = 100;

function warningsOf(absent: readonly string[]): string[] {
  const named = absent
    .slice(0, maxNamed)
    .map((path) => `${path.slice(0, maxShown)}: ${errnoText('ENOENT')}`);
  const more = absent.length - named.length;
  return more === 0 ? named : [...named, `${more} more: ${errnoText('ENOENT')}`];
}

/** Whether something was removed. */
async function remove(workDir: string, path: string): Promise<boolean> {
  const place = placeOf(workDir, path);
  if (place === undefined) return false;
  try {
    if (place.name === '.') {
      await emptyDirectory(place.directory);
      return true;
    }
    const stats = withErrorsOf(path, () =>
      lstatSync(place.directory.at(place.name), { throwIfNoEntry: false }),
    );
    await removeBelow(place.directory, place.name);
    return stats !== undefined;
  } finally {
    place.close();
  }
}

/** Undefined when it does not exist. */
function placeOf(workDir: string, given: string): Place | undefined {
  if (given === '' || normalizeRelativePath(given) === undefined) {
    throw new GomoteError('ERR_PATH', `bad 'path' parameter: ${quoted(given)}`);
  }
  try {
    return reach(workDir, given);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw localFileError(given, error);
  }
}
