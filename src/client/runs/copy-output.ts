// Copies a command's output to a writer that lives on, such as standard output.
import type { Readable, Writable } from 'node:stream';
import { closedOutput } from '../given-streams.ts';

/**
 * Writes all of `body` to `output` with backpressure and waits until everything is written; `output` is not
 * ended, and keeps no listener (Node's pipeline leaves some on a stream it does not end).
 *
 * Fails with the writer's own error, or with the body's as `tell` words it; then `body` is destroyed.
 */
export async function copyOutput(
  body: Readable,
  output: Writable,
  tell: (error: Error) => Error = (error) => error,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: Error | null) => {
      body.off('data', onData).off('end', onEnd).off('error', onBodyError);
      output.off('drain', onDrain).off('error', onOutputError).off('close', onOutputClose);
      if (!error) return resolve();
      body.on('error', () => undefined).destroy();
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      try {
        if (!output.write(chunk)) body.pause();
      } catch (error) {
        settle(error as Error);
      }
    };
    const onDrain = () => body.resume();
    // Writes are done in order: when this one of nothing is, all are.
    // Of one that has failed, the write says no more than that it came too late.
    const onEnd = () => output.write('', (error) => settle(error && (output.errored ?? error)));
    const onBodyError = (error: Error) => settle(tell(error));
    const onOutputError = (error: Error) => settle(error);
    const onOutputClose = () => settle(output.errored ?? closedOutput());
    output.on('drain', onDrain).on('error', onOutputError).on('close', onOutputClose);
    body.on('data', onData).on('end', onEnd).on('error', onBodyError);
    if (output.destroyed) onOutputClose();
  });
}
