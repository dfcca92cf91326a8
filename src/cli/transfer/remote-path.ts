// Failures of a path on a buildlet, told by the path as it was typed: a buildlet says where it is on its own disk.
import { GomoteError, StatusError } from '../../errors.ts';
import { errnoText } from '../../protocol/process-state.ts';

/** Does the work on `path`, whose absence, or being a directory, is then told in these words. */
export async function onPath<T>(name: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof StatusError ? (told(name, path, error) ?? error) : error;
  }
}

function told(name: string, path: string, error: StatusError): GomoteError | undefined {
  // Go's buildlets have no codes, but the system's words.
  const says = (code: string) => error.text.trim().endsWith(`: ${errnoText(code)}`);
  const fail = (code: string, hint: string) =>
    new GomoteError(error.code, `${name}: ${errnoText(code)}: ${path}`, { hint, cause: error });
  if (error.code === 'ERR_NO_SUCH_FILE' || says('ENOENT')) {
    return fail(says('ENOTDIR') ? 'ENOTDIR' : 'ENOENT', `see gomote ls ${name}`);
  }
  return says('EISDIR') ? fail('EISDIR', 'gomote pull and gettar fetch directories') : undefined;
}
