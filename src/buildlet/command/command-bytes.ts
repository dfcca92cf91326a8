// Commands whose arguments, variables or directory are not UTF-8. Node passes only text, so a shell decodes the bytes.
import { bytesOfName } from '../../protocol/name-bytes.ts';
import type { Environment } from './environment.ts';

export interface CommandLine {
  readonly file: string;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly directory: string;
}

/** Decodes its arguments: the number of variables, the variables, the directory, and the command. */
const undo = `for _a do shift; _b=$(printf "%b." "$_a"); set -- "$@" "\${_b%.}"; done`;
const setVariables = `_n=$1; shift; while [ "$_n" -gt 0 ]; do export "$1"; shift; _n=$((_n - 1)); done`;
const enter = `[ -z "$1" ] || cd "$1" || exit 126; shift`;
const script = [undo, setVariables, enter, 'unset _a _b _n', 'exec "$@"'].join('; ');

/** The arguments for Node so that the command gets exactly these bytes. `argv0` is the command's name. */
export function commandLine(command: CommandLine): CommandLine {
  const { argv0, args, environment, directory } = command;
  const odd = Object.entries(environment).filter(([, value]) => !value.isWellFormed());
  const isPlain = [argv0, directory, ...args].every((text) => text.isWellFormed());
  if (odd.length === 0 && isPlain) return command;
  const variables = odd.map(([name, value]) => `${name}=${value}`);
  const isPlainDirectory = directory.isWellFormed();
  // A bare name stays bare: the shell looks it up on the same PATH, and it becomes the command's argv[0].
  const given = [
    String(odd.length),
    ...variables,
    isPlainDirectory ? '' : directory,
    argv0,
    ...args,
  ].map(escapeBytes);
  const names = new Set(odd.map(([name]) => name));
  return {
    file: '/bin/sh',
    argv0: 'sh',
    args: ['-c', script, 'sh', ...given],
    environment: Object.fromEntries(
      Object.entries(environment).filter(([name]) => !names.has(name)),
    ),
    directory: isPlainDirectory ? directory : '/',
  };
}

/** Encodes special bytes as `\0ooo`, which `printf %b` decodes. */
const escapeBytes = (text: string): string =>
  bytesOfName(text)
    .toString('latin1')
    .replaceAll(
      /[^A-Za-z0-9_./-]/g,
      (byte) => `\\0${byte.charCodeAt(0).toString(8).padStart(3, '0')}`,
    );
