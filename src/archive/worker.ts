// A thread that unpacks archives, so that its owner's event loop stays free: the entry of a bundle of its own.
import { type MessagePort, parentPort } from 'node:worker_threads';
import { extract } from './extract.ts';
import { StoppableSource } from './stoppable-source.ts';
import { type FromWorker, type ToWorker, toFailure, type UnpackJob } from './worker-messages.ts';

parentPort?.on('message', ({ job, port }: { job: UnpackJob; port: MessagePort }) => {
  void run(job, port);
});

async function run({ root, dir }: UnpackJob, port: MessagePort): Promise<void> {
  const tell = (message: FromWorker) => port.postMessage(message);
  try {
    const source = new StoppableSource(received(port));
    tell({ done: await extract(source, root, dir) });
  } catch (error) {
    tell({ failed: toFailure(error) });
  } finally {
    port.close();
  }
}

/** The archive as it comes, each piece acknowledged when the next is asked for. */
async function* received(port: MessagePort): AsyncGenerator<Uint8Array> {
  const waiting: ToWorker[] = [];
  let wake: (() => void) | undefined;
  port.on('message', (message: ToWorker) => {
    waiting.push(message);
    wake?.();
  });
  for (;;) {
    const message = waiting.shift();
    if (message === 'end') return;
    if (message === 'stop') throw new Error('the source has failed');
    if (message === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    yield message;
    const taken: FromWorker = { taken: message.length };
    port.postMessage(taken);
  }
}
