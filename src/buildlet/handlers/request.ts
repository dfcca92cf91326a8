// What several endpoints read of a request.
import type { IncomingMessage } from 'node:http';
import { GomoteError } from '../../errors.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';

export function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name.toLowerCase()];
  return value === undefined ? undefined : String(value);
}

/** The directory that it is about, in plain form. Throws ERR_PATH. */
export function dirOf(query: URLSearchParams): string {
  const dir = normalizeRelativePath(query.get('dir') ?? '');
  if (dir === undefined) throw new GomoteError('ERR_PATH', 'bogus dir');
  return dir;
}
