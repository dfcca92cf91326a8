// Makes errors about paths on a buildlet name the path as typed, not as it is on the buildlet's disk.
import { GomoteError, isGomoteError, StatusError } from '../errors.ts';
import { errnoText, errnoTextAtEnd } from '../protocol/process-state.ts';

/** The hint for a directory at a path to which a file is written. */
export const writingHint = 'give the path of a file in it';

/** Runs `work` on `path`, and puts that path into remote errors. */
export async function onPath<T>(
  name: string,
  path: string,
  work: () => Promise<T>,
  directoryHint = 'gomote pull and gettar fetch directories',
): Promise<T> {
  const explain = (error: GomoteError, words: string) =>
    explained(name, path, error, words, directoryHint) ?? error;
  try {
    return await work();
  } catch (error) {
    if (error instanceof StatusError) throw explain(error, error.text);
    // Errors that end a stream of files.
    if (isGomoteError(error, 'ERR_LOST')) throw explain(error, error.message);
    throw error;
  }
}

function explained(
  name: string,
  path: string,
  error: GomoteError,
  words: string,
  directoryHint: string,
): GomoteError | undefined {
  // Go's buildlets send no error codes, only the messages of the system.
  const text = words.trim();
  const said = errnoTextAtEnd(text);
  const absent = errnoText('ENOENT');
  const reason = error.code === 'ERR_NO_SUCH_FILE' ? (said ?? absent) : said;
  if (reason === undefined) return undefined;
  // For an error about another path, such as one in the directory, the buildlet's message says more.
  const isOfPath = reason === absent || text.endsWith(`/${path.replace(/\/+$/, '')}: ${reason}`);
  if (!isOfPath && reason !== errnoText('EISDIR')) return undefined;
  return new GomoteError(error.code, `${name}: ${reason}: ${path}`, {
    hint: reason === errnoText('EISDIR') ? directoryHint : hints(name).get(reason),
    cause: error,
  });
}

const hints = (name: string): ReadonlyMap<string, string> =>
  new Map([
    [errnoText('ENOENT'), `see gomote ls ${name}`],
    [errnoText('ENOTDIR'), `see gomote ls ${name}`],
  ]);
