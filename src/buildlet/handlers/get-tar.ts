// GET /tgz: a directory as .tar.gz.
import { packTarGz } from '../../archive/pack.ts';
import { GomoteError } from '../../errors.ts';
import { sendStream } from '../../http/reply.ts';
import type { Handler } from '../../http/server.ts';
import { contentTypes } from '../../protocol/endpoints.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';

export function getTar(workDir: string): Handler {
  return async ({ response, query, signal }) => {
    const dir = normalizeRelativePath(query.get('dir') ?? '');
    if (dir === undefined) throw new GomoteError('ERR_PATH', 'bogus dir');
    const release = query.get('pargzip') === '0';
    await sendStream(response, packTarGz(workDir, dir, { release, signal }), contentTypes.gzip);
  };
}
