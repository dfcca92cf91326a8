// POST /removeall: removes paths; the work dir itself is emptied.

import { GomoteError } from '../../errors.ts';
import { resolveInside } from '../../files/confine.ts';
import { readFormBody, sendEmpty } from '../../http/reply.ts';
import type { Handler } from '../../http/server.ts';
import { decodeForm } from '../../protocol/form.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';
import { emptyDirectory, removeTree } from '../remove-tree.ts';

export function removeAll(workDir: string): Handler {
  return async ({ request, response }) => {
    const given = decodeForm(await readFormBody(request)).getAll('path');
    if (given.length === 0) throw new GomoteError('ERR_REQUEST', "requires 'path' parameter");
    // Every path is checked before anything is removed.
    const targets = await Promise.all(given.map((path) => target(workDir, path)));
    for (const path of targets) await (path === workDir ? emptyDirectory(path) : removeTree(path));
    sendEmpty(response);
  };
}

async function target(workDir: string, given: string): Promise<string> {
  const path = normalizeRelativePath(given);
  if (path === undefined || given === '') {
    throw new GomoteError('ERR_PATH', `bad 'path' parameter: ${JSON.stringify(given)}`);
  }
  return path === '.' ? workDir : await resolveInside(workDir, path);
}
