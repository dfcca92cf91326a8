// The sftp server, which a buildlet runs as a command, with the permissions and the file system of its commands.
//
// It reads, processes and writes in turn, as OpenSSH does: while a client does not read replies, nothing is read from it.
import { readSync, writeSync } from 'node:fs';
import { errnoOf, messageOf } from '../errors.ts';
import { SftpServer } from './server.ts';

/** The size of a read, in bytes. */
const chunkBytes = 256 << 10;

/** Replies are collected up to this many bytes. */
const gatheredBytes = 64 << 10;

/** The delay before retrying when a non-blocking pipe is empty or full, in ms. */
const busyWaitMs = 5;

try {
  serve();
} catch (error) {
  // The client is gone.
  if (errnoOf(error) !== 'EPIPE') {
    process.stderr.write(`sftp-server: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}

function serve(): void {
  const server = new SftpServer(process.env.HOME ?? '/');
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (;;) {
    const count = patiently(() => readSync(0, chunk));
    if (count === 0) return;
    let answers: Buffer[] = [];
    let length = 0;
    for (const answer of server.answer(chunk.subarray(0, count))) {
      answers.push(answer);
      length += answer.length;
      if (length < gatheredBytes) continue;
      writeAll(Buffer.concat(answers));
      [answers, length] = [[], 0];
    }
    if (length > 0) writeAll(Buffer.concat(answers));
  }
}

function writeAll(bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) {
    done += patiently(() => writeSync(1, bytes, done));
  }
}

function patiently(call: () => number): number {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (errnoOf(error) === 'EOF') return 0;
      if (errnoOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busyWaitMs);
    }
  }
}
