// Where the output of each of several buildlets goes.
import type { Writable } from 'node:stream';

export interface OutputOptions {
  /** A directory for NAME.stdout and NAME.stderr; nothing is printed then. */
  readonly outputDir?: string | undefined;
  /** Prints equal outputs once, when all are over. */
  readonly collapse?: boolean | undefined;
}

export interface Output {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

export interface Outputs {
  of(name: string): Output;
  /** Writes what is left of one; gives its status, which is a failure also when that could not be written. */
  end(name: string, output: Output, status: number): Promise<number>;
  /** Called once all are over, with the order of their names. */
  close(order: readonly string[]): Promise<void>;
  /** Whether stdout and stderr are kept apart although both go to one place. */
  readonly areApart: boolean;
  /** Whether nobody sees what is written to them. */
  readonly areHidden: boolean;
}

/** Ends it and waits until all is written; a failure has been seen by who wrote. */
export const endStream = (stream: Writable): Promise<void> =>
  new Promise((resolve) => {
    if (stream.closed) return resolve();
    stream.once('close', resolve);
    stream.end();
  });
