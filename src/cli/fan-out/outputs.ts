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
  /** Writes the rest of one's output. Returns its status, which is a failure when the output could not be written. */
  end(name: string, output: Output, status: number): Promise<number>;
  /** Called once all have ended, with the names in order. */
  close(order: readonly string[]): Promise<void>;
  /** Whether stdout and stderr stay separate although both go to one place. */
  readonly areApart: boolean;
  /** Whether the output is discarded. */
  readonly areHidden: boolean;
}

/** Ends the stream and waits until everything is written. Failures are reported to the writer. */
export const endStream = (stream: Writable): Promise<void> =>
  new Promise((resolve) => {
    if (stream.closed) return resolve();
    stream.once('close', resolve);
    stream.end();
  });
