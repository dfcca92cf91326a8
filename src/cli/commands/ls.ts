// gomote ls: the files of a directory, in the buildlet's own lines.
import type { Command } from 'commander';
import { printable } from '../../printable.ts';
import type { Context } from '../context.ts';
import { print, type Terminal } from '../terminal.ts';
import { checkInside, parseCommaList } from '../values.ts';

interface Options {
  recursive?: boolean;
  digest?: boolean;
  skip?: string[];
}

/** Lines are printed in pieces of about this many characters. */
const pieceLength = 32 << 10;

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument('[dir]', 'directory, relative to the work dir (default: the work dir)')
    .option('-R, --recursive', 'also what is below')
    .option('-d, --digest', 'also SHA-1 digests of files')
    .option('--skip <dirs>', 'leave out these directories: a list with commas', parseCommaList)
    .action(async (name: string, dir: string | undefined, options: Options) => {
      const { signal, terminal } = context;
      checkInside('the directory', dir ?? '');
      await context.withBuildlet(name, async ({ client }) => {
        let piece = '';
        try {
          for await (const entry of client.listDir(dir ?? '', { ...options, signal })) {
            piece += `${shownLine(entry.line, terminal)}\n`;
            if (piece.length < pieceLength) continue;
            const full = piece;
            piece = '';
            await print(terminal, full);
          }
        } finally {
          // What has come is shown also when the rest cannot be read.
          await print(terminal, piece);
        }
      });
    });
}

/** The line, in which a terminal shows its tabs and escapes whatever else it would obey. */
function shownLine(line: string, { stdout }: Terminal): string {
  if (stdout.isTTY !== true) return line;
  return line
    .split('\t')
    .map((field) => printable(field))
    .join('\t');
}
