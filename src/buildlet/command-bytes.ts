// A command line whose arguments may be any bytes. Node passes text only, as UTF-8; a shell makes the rest.
import type { FormValue } from '../protocol/form.ts';

export interface CommandLine {
  readonly file: string;
  readonly argv0: string;
  readonly args: readonly string[];
}

/** Undoes the escapes of its arguments and becomes the command they name. */
const script = `for _a do shift; _b=$(printf "%b." "$_a"); set -- "$@" "\${_b%.}"; done; unset _a _b; exec "$@"`;

/** What to give to Node so that the command gets exactly these arguments. */
export function commandLine(file: string, name: string, args: readonly FormValue[]): CommandLine {
  if (args.every((arg) => typeof arg === 'string')) return { file, argv0: name, args };
  // A bare name stays one: the shell looks it up on the same PATH, and the command is told it as its own.
  const escaped = [name, ...args].map(escapeBytes);
  return { file: '/bin/sh', argv0: 'sh', args: ['-c', script, 'sh', ...escaped] };
}

/** Every byte that is not plain as `\0ooo`, which `printf %b` takes back. */
const escapeBytes = (value: FormValue): string =>
  Buffer.from(value)
    .toString('latin1')
    .replaceAll(
      /[^A-Za-z0-9_./-]/g,
      (byte) => `\\0${byte.charCodeAt(0).toString(8).padStart(3, '0')}`,
    );
