// The output of several buildlets on stdout and stderr, line by line.
import { printable } from '../../printable.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { longestLine, PrefixedLines } from './line-prefix.ts';
import { endStream, type Output, type Outputs } from './outputs.ts';

export class LineOutputs implements Outputs {
  readonly #terminal: Terminal;
  readonly areApart = false;
  readonly areHidden = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  of(name: string): Output {
    const { stdout, isOutputShared } = this.#terminal;
    // Two streams to one place could split each other's lines.
    const stderr = isOutputShared === true ? stdout : this.#terminal.stderr;
    const prefix = `${printable(name)}| `;
    const says = `gomote: a line of more than ${longestLine >> 10} KiB is printed in pieces`;
    const onCut = () => stderr.write(`${prefix}${says}\n`);
    return {
      stdout: new PrefixedLines(stdout, prefix, onCut),
      stderr: new PrefixedLines(stderr, prefix, onCut),
    };
  }

  async end(_name: string, { stdout, stderr }: Output, status: number): Promise<number> {
    await Promise.all([endStream(stdout), endStream(stderr)]);
    return status;
  }

  async close(): Promise<void> {}
}
