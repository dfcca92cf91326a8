// /file: one file, either way.
import type { Handler } from '../../http/server/server.ts';
import { getFile } from './get-file.ts';
import { putFile } from './write.ts';

export function file(workDir: string): Handler {
  const get = getFile(workDir);
  const put = putFile(workDir);
  return (exchange) => (exchange.request.method === 'PUT' ? put(exchange) : get(exchange));
}
