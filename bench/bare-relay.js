// The least that two Node programs can do to relay a command's output with proof, to compare gomote with: one reads the
// command's pipe, digests and logs what it reads, and sends it; the other digests what it gets and writes it to stdout.
// No HTTP library, no records, nothing is held back but by a full socket.
// node bench/bare-relay.js serve SOCKET CMD [ARG...]; node bench/bare-relay.js read SOCKET
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, rmSync, unlinkSync, writeSync, writev } from 'node:fs';
import { connect, createServer, Socket } from 'node:net';

const [role, path, cmd, ...args] = process.argv.slice(2);
const readBytes = 64 << 10;
const slabBytes = 1 << 20;

if (role === 'serve') {
  createServer(relay).listen(path, () => console.log('listening'));
  // All its connections come one after another.
  process.on('SIGTERM', () => process.exit());
} else {
  read();
}

/** A pipe that Node can read by itself. */
function openPipe() {
  const fifo = `${path}.fifo`;
  execFileSync('mkfifo', [fifo]);
  const readFd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeFd = openSync(fifo, 'w');
  unlinkSync(fifo);
  return { readFd, writeFd };
}

function relay(connection) {
  const { readFd, writeFd } = openPipe();
  spawn(cmd, args, { stdio: ['ignore', writeFd, 'inherit'] });
  closeSync(writeFd);
  const log = openSync(`${path}.log`, 'w');
  const hash = createHash('sha256');
  const spares = [];
  let [slab, used, lent] = [Buffer.allocUnsafeSlow(slabBytes), 0, { count: 0, full: false }];
  const release = (bytes, loan) => () => {
    if (--loan.count === 0 && loan.full) spares.push(bytes);
  };
  let queue = [];
  let queuedBytes = 0;
  let isWriting = false;
  const store = (isLast) => {
    if (isWriting || queue.length === 0 || (queuedBytes < slabBytes && !isLast)) return;
    isWriting = true;
    const batch = queue;
    [queue, queuedBytes] = [[], 0];
    writev(
      log,
      batch.map(({ piece }) => piece),
      () => {
        for (const { done } of batch) done();
        isWriting = false;
        store(isLast);
      },
    );
  };
  const pipe = new Socket({
    fd: readFd,
    writable: false,
    onread: {
      buffer: () => {
        if (slabBytes - used < readBytes) {
          lent.full = true;
          [slab, used, lent] = [
            spares.pop() ?? Buffer.allocUnsafeSlow(slabBytes),
            0,
            { count: 0, full: false },
          ];
        }
        return slab.subarray(used, used + readBytes);
      },
      callback: (size, bytes) => {
        const piece = bytes.subarray(0, size);
        used += size;
        hash.update(piece);
        lent.count += 2;
        const done = release(slab, lent);
        queue.push({ piece, done });
        queuedBytes += size;
        store(false);
        if (!connection.write(piece, done)) pipe.pause();
        return true;
      },
    },
  });
  connection.on('drain', () => pipe.resume()).on('error', () => pipe.destroy());
  pipe.on('end', () => {
    connection.end(hash.digest());
    store(true);
    rmSync(`${path}.log`);
  });
}

function read() {
  const hash = createHash('sha256');
  let tail = Buffer.alloc(0);
  const take = (bytes) => {
    hash.update(bytes);
    for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
  };
  connect({
    path,
    onread: {
      buffer: Buffer.allocUnsafeSlow(readBytes),
      callback: (size, bytes) => {
        // The digest comes last.
        const all =
          size >= 32 ? bytes.subarray(0, size) : Buffer.concat([tail, bytes.subarray(0, size)]);
        if (size >= 32) take(tail);
        take(all.subarray(0, all.length - 32));
        tail = Buffer.from(all.subarray(all.length - 32));
        return true;
      },
    },
  }).on('end', () => {
    process.exitCode = hash.digest().equals(tail) ? 0 : 1;
  });
}
