// The request of `/exec`, encoded and decoded, and its expansions.
import { decodeForm, encodeForm, type FormValue, parseBool } from './form.ts';
import { normalizeRelativePath } from './relative-path.ts';

export interface ExecRequest {
  /** The program: see `systemLevel`. */
  cmd: string;
  /** Run `cmd` as given, looked up on PATH; else it is relative to the work directory. */
  systemLevel: boolean;
  /** Empty: the command's directory, or in system mode the work directory. */
  dir: string;
  /** Text, in which bytes that are not UTF-8 are as in the names of files (name-bytes.ts), or bytes. */
  args: readonly FormValue[];
  /** `KEY=VALUE`, appended to the buildlet's own; the last of equal names wins. */
  env: readonly string[];
  /** Absent: PATH untouched. Empty: PATH removed. */
  path?: readonly string[] | undefined;
  /** Write the environment and the start time before the output. */
  debug: boolean;
}

/** The `path` element that stands for an empty list, which a form cannot distinguish from an absent one. */
const emptyPath = '$EMPTY';

export function encodeExecForm(request: ExecRequest): string {
  return encodeForm({
    cmd: request.cmd,
    mode: request.systemLevel ? 'sys' : '',
    dir: request.dir,
    cmdArg: request.args,
    env: request.env,
    path: request.path?.length === 0 ? emptyPath : request.path,
    debug: String(request.debug),
  });
}

/** Reads the form. Returns the text of the reply for a request that must be refused. */
export function decodeExecForm(body: string): ExecRequest | { refused: string } {
  const form = decodeForm(body);
  const systemLevel = form.get('mode') === 'sys';
  const cmd = form.get('cmd') ?? '';
  if (cmd === '' || (!systemLevel && normalizeRelativePath(cmd) === undefined)) {
    return { refused: "requires 'cmd' parameter" };
  }
  const dir = form.get('dir') ?? '';
  const absoluteAllowed = systemLevel && dir.startsWith('/');
  if (!absoluteAllowed && normalizeRelativePath(dir) === undefined) {
    return { refused: "bogus 'dir' parameter" };
  }
  const args = form.getAll('cmdArg');
  const env = form.getAll('env');
  const path = form.has('path') ? form.getAll('path') : undefined;
  const texts = [cmd, dir, ...args, ...env, ...(path ?? [])];
  if (texts.some((text) => text.includes('\0'))) {
    return { refused: 'a NUL byte cannot be passed to a command' };
  }
  // A shell passes such values, and it has no other variables.
  const odd = env.find((pair) => !pair.isWellFormed() && !/^[A-Za-z_][A-Za-z0-9_]*=/.test(pair));
  if (odd !== undefined) {
    return { refused: `a value that is not UTF-8 cannot be passed as ${odd.split('=')[0]}` };
  }
  return {
    cmd,
    systemLevel,
    dir,
    args,
    env,
    path: path?.length === 1 && path[0] === emptyPath ? [] : path,
    debug: parseBool(form.get('debug')),
  };
}

/**
 * The PATH a command gets: undefined when it must be removed.
 *
 * An element equal to `$PATH` becomes the old PATH, and `$WORKDIR` inside an element the work directory.
 */
export function expandPath(
  elements: readonly string[],
  oldPath: string | undefined,
  workDir: string,
  separator = ':',
): string | undefined {
  if (elements.length === 0) return undefined;
  return elements
    .map((element) =>
      element === '$PATH' ? (oldPath ?? '') : element.replaceAll('$WORKDIR', () => workDir),
    )
    .join(separator);
}
