// gomote ls: lists a directory, in the buildlet's own format.
import type { Command } from 'commander';
import { onPath } from '../../gomote/remote-path.ts';
import { checkInside } from '../../gomote/work-dir-path.ts';
import type { DirEntry } from '../../protocol/listing.ts';
import type { Context } from '../context.ts';
import { type ListingOptions, listingOptions, templateOf } from '../terminal/listing.ts';
import { formatTable } from '../terminal/table.ts';
import { listedJson, print, type Terminal } from '../terminal/terminal.ts';
import { parseCommaList } from '../values.ts';

interface Options extends ListingOptions {
  recursive?: boolean;
  digest?: boolean;
  skip?: string[];
}

/** Lines are printed in pieces of about this many characters. */
const pieceLength = 32 << 10;

export function define(command: Command, context: Context): void {
  listingOptions(command, 'print a JSON object a line')
    .argument('<name>', 'buildlet')
    .argument('[dir]', 'directory, relative to the work directory (default: the work directory)')
    .option('-R, --recursive', 'also what is below')
    .option('-d, --digest', 'also SHA-1 digests of files')
    .option('--skip <dirs>', 'leave out these directories: a list with commas', parseCommaList)
    .action(async (name: string, dir = '', options: Options) => {
      const { signal, terminal } = context;
      checkInside('the directory', dir);
      const write = templateOf(options, fields, terminal);
      await context.withBuildlet(name, ({ client }) =>
        onPath(name, dir, async () => {
          const rows = new Rows(terminal);
          try {
            for await (const entry of client.listDir(dir, { ...options, signal })) {
              if (options.json) rows.addLine(listedJson(toJson(entry, dir), terminal));
              else if (write !== undefined) rows.addLine(write(toJson(entry, dir)));
              else if (terminal.stdout.isTTY) rows.add(cellsOf(entry, dir));
              else rows.addLine(lineOf(entry, dir));
              if (rows.isFull) await rows.print();
            }
          } finally {
            // Also print what came before a failure.
            await rows.print();
          }
        }),
      );
    });
}

/** A file that was named itself has no name in its line. */
const isUnnamed = ({ name, isDirectory }: DirEntry): boolean => name === '' && !isDirectory;

/** What programs get. */
const lineOf = (entry: DirEntry, given: string): string =>
  `${isUnnamed(entry) ? cellsOf(entry, given).join('\t') : entry.line}\n`;

/** Splits an entry's line into columns. A name may contain tabs. */
function cellsOf(entry: DirEntry, given: string): string[] {
  const { line, name, mode, isDirectory } = entry;
  const written = `${name}${isDirectory ? '/' : ''}`;
  const after = line.slice(mode.length + 1 + written.length);
  const rest = after === '' ? [] : after.slice(1).split('\t');
  return [mode, isUnnamed(entry) ? given : written, ...rest];
}

const toJson = (
  { name, type, permissions, mode, size, mtime, digest }: DirEntry,
  given: string,
) => ({
  path: name === '' && type !== 'directory' ? given : name,
  ...{ type, mode, permissions, size, mtime, digest },
});

const fields = ['path', 'type', 'mode', 'permissions', 'size', 'mtime', 'digest'];

/** Prints rows in batches: with tabs, or aligned below a header on a terminal. */
class Rows {
  readonly #terminal: Terminal;
  #rows: string[][] = [];
  #length = 0;
  #lines = '';
  #isFirst = true;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  add(row: string[]): void {
    this.#rows.push(row);
    this.#length += row.reduce((sum, cell) => sum + cell.length + 1, 0);
  }

  addLine(line: string): void {
    this.#lines += line;
  }

  /** Whether it is time to print. */
  get isFull(): boolean {
    return this.#length + this.#lines.length >= pieceLength;
  }

  async print(): Promise<void> {
    const isTitled = this.#isFirst && this.#rows.length > 0 && this.#terminal.stdout.isTTY === true;
    const header = isTitled ? [['MODE', 'NAME', 'SIZE', 'TIME']] : [];
    const text = formatTable([...header, ...this.#rows], this.#terminal);
    [this.#rows, this.#length, this.#isFirst] = [[], 0, false];
    const lines = this.#lines;
    this.#lines = '';
    await print(this.#terminal, text + lines);
  }
}
