// PUT /write: one file, under its final name only when it is whole.
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { resolveInside } from '../../archive/confine.ts';
import { errnoOf, GomoteError } from '../../errors.ts';
import { sendText } from '../../http/reply.ts';
import type { Handler } from '../../http/server.ts';
import { parseWriteMode } from '../../protocol/file-mode.ts';
import { errnoText } from '../../protocol/process-state.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';

export function write(workDir: string): Handler {
  return async ({ request, response, query, signal }) => {
    const path = normalizeRelativePath(query.get('path') ?? '');
    if (path === undefined || path === '.') throw new GomoteError('ERR_PATH', 'bad path');
    const mode = parseWriteMode(query.get('mode') ?? '');
    if (mode === undefined) throw new GomoteError('ERR_REQUEST', 'bad mode');
    const target = await resolveInside(workDir, path);
    const partial = join(dirname(target), `.gomote-${randomBytes(8).toString('hex')}`);
    try {
      if ((await stat(target).catch(() => undefined))?.isDirectory() === true) {
        throw new GomoteError('ERR_LOCAL_FILE', `open ${target}: ${errnoText('EISDIR')}`);
      }
      await mkdir(dirname(target), { recursive: true });
      await pipeline(request, createWriteStream(partial, { flags: 'wx', mode: 0o600 }), { signal });
      await chmod(partial, mode);
      await rename(partial, target);
    } catch (error) {
      await rm(partial, { force: true });
      throw describe(error, target);
    }
    sendText(response, 'OK');
  };
}

/** Words a system error as Go does: the operation, the path, the reason. */
function describe(error: unknown, target: string): unknown {
  const code = errnoOf(error);
  if (error instanceof GomoteError || code === undefined) return error;
  if (code === 'ECONNRESET' || code === 'ABORT_ERR') {
    return new GomoteError('ERR_LOST', `the upload of ${target} was cut`, { cause: error });
  }
  return new GomoteError('ERR_LOCAL_FILE', `open ${target}: ${errnoText(code)}`, { cause: error });
}
