// Makes errors about paths on a buildlet name the path as typed, not as it is on the buildlet's disk.
import { GomoteError, isGomoteError, StatusError } from '../errors.ts';
import { errnoText, errnoTextAtEnd } from '../protocol/process-state.ts';

/** Runs `work` on `path`, and puts that path into remote errors. */
export async function onPath<T>(name: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StatusError) throw explained(name, path, error, error.text) ?? error;
    // Errors that end a stream of files.
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
