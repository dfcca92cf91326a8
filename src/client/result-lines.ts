// Replies of a coordinator in lines that end with a result.
import { StatusError } from '../errors.ts';
import type { FailureLine } from '../protocol/error-reply.ts';
import type { Connection } from './connection.ts';
import { lineBatches } from './files/streams.ts';

interface Progress {
  readonly progress: string;
}

/** Reads the lines of a reply up to its result, or throws the failure that comes instead. Undefined: there was neither. */
export async function readResult<Result extends object>(
  connection: Connection,
  path: string,
  { response, signal }: { response: Parameters<typeof lineBatches>[0]; signal: AbortSignal },
  parse: (line: string) => Result | Progress | FailureLine | undefined,
  onProgress?: (step: string) => void,
): Promise<Result | undefined> {
  for await (const texts of lineBatches(response, signal)) {
    for (const text of texts) {
      const line = parse(text) ?? connection.badReply(`bad reply of ${path}`);
      if ('progress' in line) onProgress?.(line.progress);
      else if (!('error' in line)) return line;
      else {
        const { status, error, code } = line;
        throw new StatusError(status, error, `${connection.options.label}: ${error}`, { code });
      }
    }
  }
  return undefined;
}
