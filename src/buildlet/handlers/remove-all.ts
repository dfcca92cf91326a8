// POST /removeall: removes paths; the work dir itself is emptied.
import { errnoOf, GomoteError } from '../../errors.ts';
import { type Place, reach } from '../../files/beneath.ts';
import { emptyDirectory, removeBelow } from '../../files/remove-tree.ts';
import { readFormBody, sendEmpty } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import { decodeForm } from '../../protocol/form.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';

export function removeAll(workDir: string): Handler {
  return async ({ request, response }) => {
    const given = decodeForm(await readFormBody(request)).getAll('path');
    if (given.length === 0) throw new GomoteError('ERR_REQUEST', "requires 'path' parameter");
    // Every path is checked before anything is removed.
    for (const path of given) placeOf(workDir, path)?.close();
    for (const path of given) await remove(workDir, path);
    sendEmpty(response);
  };
}

async function remove(workDir: string, path: string): Promise<void> {
  const place = placeOf(workDir, path);
  if (place === undefined) return;
  try {
    await (place.name === '.'
      ? emptyDirectory(place.directory)
      : removeBelow(place.directory, place.name));
  } finally {
    place.close();
  }
}

/** Undefined when nothing is there. */
function placeOf(workDir: string, given: string): Place | undefined {
  if (given === '' || normalizeRelativePath(given) === undefined) {
    throw new GomoteError('ERR_PATH', `bad 'path' parameter: ${JSON.stringify(given)}`);
  }
  try {
    return reach(workDir, given);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
