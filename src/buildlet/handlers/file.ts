// /file: one file, either way.
import type { LateTrailers } from '../../http/server/late-trailers.ts';
import type { Handler } from '../../http/server/server.ts';
import { getFile } from './get-file.ts';
import { putFile } from './write.ts';

export function file(workDir: string, late: LateTrailers): Handler {
  const get = getFile(workDir, late);
  const put = putFile(workDir);
  return (exchange) => (exchange.request.method === 'PUT' ? put(exchange) : get(exchange));
}
