// A program: the sftp server that a buildlet runs as a command, with the rights and the view of its commands.
//
// It reads, works and writes in turn, as OpenSSH's: a client that takes no answers is not read from.
import { readSync, writeSync } from 'node:fs';
import { errnoOf, messageOf } from '../errors.ts';
import { SftpServer } from './server.ts';

/** How much is read at once, in bytes. */
const chunkBytes = 256 << 10;

/** Answers are written together up to this many bytes. */
const gatheredBytes = 64 << 10;

/** How long to wait when a pipe that somebody has made non-blocking is empty or full, in ms. */
const busyWaitMs = 5;

try {
  serve();
} catch (error) {
  // A client that has gone needs no more.
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
