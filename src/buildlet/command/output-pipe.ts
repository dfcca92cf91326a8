// Kernel pipes for a command's streams; stdout and stderr may share one, so that their order is that of the writes.
//
// Node gives its children socket pairs, which cannot be opened again as /dev/stderr or /dev/stdout; build
// scripts do that. Node cannot make a pipe, but a FIFO whose name is removed once both ends are open is one. It is
// opened by synchronous calls: they never wait, and handing them to another thread takes longer than they do.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, constants, existsSync, openSync, unlinkSync } from 'node:fs';
import { type OnReadOpts, Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GomoteError, messageOf } from '../../errors.ts';
import { packageRoot } from '../../package-root.ts';

const run = promisify(execFile);

/** The package's own program, where the machine may have none. */
function mkfifo(): string {
  const own = join(packageRoot, 'bin/mkfifo');
  return existsSync(own) ? own : 'mkfifo';
}

/** How many FIFOs are kept ready, so that commands need not wait for them. */
const stockSize = 24;

interface OutputPipe {
  /**
   * Ends when every process that holds the write end has closed it. Chunks of `data` events must be used or
   * copied during the event: all readers share one buffer.
   */
  readonly reader: Socket;
  /** For the child; close it here once the child has it. */
  readonly writeFd: number;
  /** The path where another process can open its end, until the end here is closed. */
  readonly name: string;
  closeWriter(): void;
}

interface InputPipe {
  /** For the child; close it here once the child has it. */
  readonly readFd: number;
  readonly name: string;
  /** Fails with EPIPE when no process holds the read end any more. */
  readonly writer: Socket;
  closeReader(): void;
}

/** Makes pipes, from a stock of FIFOs in a private directory. */
export class PipeStock {
  readonly directory: string;
  #names: string[] = [];
  #refill: Promise<void> | undefined;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Creates FIFOs in advance. A failure is reported when one is taken. */
  async fill(): Promise<void> {
    this.#refill ??= this.#make().finally(() => {
      this.#refill = undefined;
    });
    await this.#refill;
  }

  async #make(): Promise<void> {
    const names = Array.from({ length: stockSize }, () =>
      join(this.directory, randomBytes(8).toString('hex')),
    );
    try {
      await run(mkfifo(), ['-m', '600', ...names]);
    } catch (error) {
      throw new GomoteError('ERR_LOCAL_FILE', `cannot make a pipe: ${messageOf(error)}`, {
        cause: error,
      });
    }
    this.#names.push(...names);
  }

  async #takeName(): Promise<string> {
    let name = this.#names.pop();
    while (name === undefined) {
      await this.fill();
      name = this.#names.pop();
    }
    if (this.#names.length < stockSize / 2) this.fill().catch(() => undefined);
    return name;
  }

  async take(): Promise<OutputPipe> {
    const name = await this.#takeName();
    try {
      const [readFd, writeFd] = openBoth(
        name,
        constants.O_RDONLY | constants.O_NONBLOCK,
        constants.O_WRONLY,
      );
      return {
        reader: lendingReader(readFd),
        writeFd,
        name,
        closeWriter: () => closeEnd(writeFd, name),
      };
    } catch (error) {
      unlinkSync(name);
      throw error;
    }
  }

  /** A pipe in the other direction: the child's end waits for input, ours never blocks. */
  async takeInput(): Promise<InputPipe> {
    const name = await this.#takeName();
    let bothFd: number | undefined;
    try {
      // A FIFO opens for reading once it has a writer, and for writing without waiting once it has a reader.
      bothFd = openSync(name, constants.O_RDWR | constants.O_NONBLOCK);
      const [readFd, writeFd] = openBoth(
        name,
        constants.O_RDONLY,
        constants.O_WRONLY | constants.O_NONBLOCK,
      );
      const writer = new Socket({ fd: writeFd, readable: false, writable: true });
      return { readFd, name, writer, closeReader: () => closeEnd(readFd, name) };
    } catch (error) {
      unlinkSync(name);
      throw error;
    } finally {
      if (bothFd !== undefined) closeSync(bothFd);
    }
  }
}

/** Opens both ends of the FIFO, or neither when descriptors run out. */
function openBoth(name: string, reading: number, writing: number): [number, number] {
  const readFd = openSync(name, reading);
  try {
    return [readFd, openSync(name, writing)];
  } catch (error) {
    closeSync(readFd);
    throw error;
  }
}

function closeEnd(fd: number, name: string): void {
  closeSync(fd);
  unlinkSync(name);
}

/** Which streams a command gets. */
export interface CommandStreams {
  /** Whether stderr goes into the pipe of stdout. */
  readonly merge: boolean;
  /** Whether it gets a pipe to read from; else /dev/null. */
  readonly stdin: boolean;
}

interface CommandPipes {
  readonly stdin: InputPipe | undefined;
  readonly stdout: OutputPipe;
  /** With `merge` the same as stdout. */
  readonly stderr: OutputPipe;
}

/** Starts something on pipes and returns it with our ends. When it does not start, nothing is left. */
export async function withPipes<T extends object>(
  stock: PipeStock,
  { merge, stdin: hasInput }: CommandStreams,
  start: (pipes: CommandPipes) => Promise<T | { notStarted: string }>,
): Promise<
  | (T & { stdout: Socket; stderr?: Socket | undefined; stdin?: Socket | undefined })
  | { notStarted: string }
> {
  const outputs: OutputPipe[] = [];
  const takeOutput = async () => {
    const pipe = await stock.take();
    outputs.push(pipe);
    return pipe;
  };
  let stdin: InputPipe | undefined;
  let isStarted = false;
  try {
    const stdout = await takeOutput();
    const stderr = merge ? stdout : await takeOutput();
    stdin = hasInput ? await stock.takeInput() : undefined;
    const process = await start({ stdin, stdout, stderr });
    if ('notStarted' in process) return process;
    isStarted = true;
    return {
      ...process,
      stdout: stdout.reader,
      ...(stderr !== stdout && { stderr: stderr.reader }),
      ...(stdin !== undefined && { stdin: stdin.writer }),
    };
  } finally {
    if (!isStarted) {
      for (const { reader } of outputs) reader.destroy();
      stdin?.writer.destroy();
    }
    for (const { closeWriter } of outputs) closeWriter();
    stdin?.closeReader();
  }
}

/** As much as a pipe holds. */
const readBuffer = Buffer.allocUnsafeSlow(64 << 10);

function lendingReader(fd: number): Socket {
  const onread: OnReadOpts = {
    buffer: readBuffer,
    callback: (size) => reader.emit('data', readBuffer.subarray(0, size)),
  };
  const options = { fd, readable: true, writable: false, manualStart: true, onread };
  const reader: Socket = new Socket(options);
  return reader;
}
