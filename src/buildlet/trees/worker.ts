// The thread that keeps the trees pushed into the work dir: the entry of a bundle of its own.
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { GomoteError } from '../../errors.ts';
import { toFailure } from '../../worker/thread-messages.ts';
import type { FromTreeThread, ToTreeThread, TreeJob } from './messages.ts';
import { TreeStore } from './tree-store.ts';

/** How many pieces may be on their way to the owner. */
const piecesAhead = 3;
const poolBytes = 64 << 10;

const store = new TreeStore((workerData as { workDir: string }).workDir);

parentPort?.on('message', ({ job, port }: { job: TreeJob; port: MessagePort }) => {
  void run(job, new Channel(port));
});

async function run(job: TreeJob, channel: Channel): Promise<void> {
  try {
    channel.post({ done: await resultOf(job, channel) });
  } catch (error) {
    channel.post({ failed: toFailure(error) });
  } finally {
    channel.close();
  }
}

async function resultOf(job: TreeJob, channel: Channel): Promise<unknown> {
  if (job.kind === 'apply') return await apply(job, channel);
  if (job.kind !== 'read') return store.answer(job);
  for (const piece of store.read(job, () => channel.spare.pop())) await channel.give(piece);
  return undefined;
}

async function apply(job: Extract<TreeJob, { kind: 'apply' }>, channel: Channel): Promise<unknown> {
  const change = store.change(job);
  try {
    for await (const piece of channel.taken()) {
      change.push(piece);
      for (const digests of change.copy()) {
        channel.post({ digests });
        await channel.turn();
      }
    }
    return change.end();
  } finally {
    change.abandon();
  }
}

class Channel {
  readonly #port: MessagePort;
  readonly #waiting: ToTreeThread[] = [];
  /** Memory that was given away and has come back. */
  readonly spare: ArrayBuffer[] = [];
  #given = 0;
  #wake: (() => void) | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message: ToTreeThread) => {
      if (message === 'next') this.#given--;
      else if (message instanceof ArrayBuffer) this.spare.push(message);
      else this.#waiting.push(message);
      this.#wake?.();
    });
  }

  post(message: FromTreeThread, transfer: readonly ArrayBuffer[] = []): void {
    this.#port.postMessage(message, [...transfer]);
  }

  close(): void {
    this.#port.close();
  }

  /** Lets what has come be heard. Throws ERR_LOST when it is that there is nobody any more. */
  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#waiting.includes('stop')) throw stopped();
  }

  /** What comes; each piece's memory is given back when the next is asked for. */
  async *taken(): AsyncGenerator<Buffer> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message === 'end') return;
      if (message === 'stop') throw stopped();
      if (!(message instanceof Uint8Array)) await this.#message();
      else {
        const memory = message.buffer as ArrayBuffer;
        const taken = message.length;
        yield Buffer.from(memory, message.byteOffset, taken);
        this.post({ taken, memory }, [memory]);
      }
    }
  }

  /** Gives a piece away, and waits while too many have not been used. */
  async give(piece: Buffer): Promise<void> {
    const { buffer, byteOffset, byteLength } = piece;
    // A small one lies in a pool that is not to be given away.
    const isOwn = buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength > poolBytes;
    this.#given++;
    if (isOwn) this.post({ piece }, [buffer]);
    else this.post({ piece: new Uint8Array(piece) });
    while (this.#given >= piecesAhead) {
      if (this.#waiting.includes('stop')) throw stopped();
      await this.#message();
    }
  }

  #message(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

const stopped = (): GomoteError => new GomoteError('ERR_LOST', 'the connection was lost');
