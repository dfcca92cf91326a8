// Errors about paths on a buildlet name the path as it was typed, not where it is on the buildlet's disk.
import { GomoteError, isGomoteError, StatusError } from '../errors.ts';
import { errnoText, errnoTextAtEnd } from '../protocol/process-state.ts';

/** Does the work on `path`, and words the remote system's errors with it. */
export async function onPath<T>(name: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StatusError) throw explained(name, path, error, error.text) ?? error;
    // What ends a stream of files.
    if (isGomoteError(error, 'ERR_LOST'))
      throw explained(name, path, error, error.message) ?? error;
    throw error;
  }
}

function explained(
  name: string,
  path: string,
  error: GomoteError,
  words: string,
): GomoteError | undefined {
  // Go's buildlets have no codes, but the system's words.
  const text = words.trim();
  const said = errnoTextAtEnd(text);
  const absent = errnoText('ENOENT');
  const reason = error.code === 'ERR_NO_SUCH_FILE' ? (said ?? absent) : said;
  if (reason === undefined) return undefined;
  // Of something else, as in the directory, the buildlet's words say more.
  const isOfPath = reason === absent || text.endsWith(`/${path.replace(/\/+$/, '')}: ${reason}`);
  if (!isOfPath && reason !== errnoText('EISDIR')) return undefined;
  return new GomoteError(error.code, `${name}: ${reason}: ${path}`, {
    hint: hints(name).get(reason),
    cause: error,
  });
}

const hints = (name: string): ReadonlyMap<string, string> =>
  new Map([
    [errnoText('ENOENT'), `see gomote ls ${name}`],
    [errnoText('ENOTDIR'), `see gomote ls ${name}`],
    [errnoText('EISDIR'), 'gomote pull and gettar fetch directories'],
  ]);
