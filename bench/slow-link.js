// A TCP relay on loopback that is as slow as a link: node bench/slow-link.js TARGET-PORT MBIT MS; prints its port.
import { connect, createServer } from 'node:net';

const [target, mbit, ms] = process.argv.slice(2).map(Number);
/** What may wait in one direction, in bytes: about what a real link's buffer holds. */
const bufferBytes = 512 << 10;
const bytesPerMs = (mbit * 1e6) / 8 / 1000;
/** When the link is free again, by direction: all connections share it. */
const freeAt = { up: 0, down: 0 };

/** Passes what comes at the link's rate, each byte half a round trip late. */
function relay(from, to, direction) {
  let waiting = 0;
  from.on('data', (chunk) => {
    waiting += chunk.length;
    if (waiting > bufferBytes) from.pause();
    const now = performance.now();
    freeAt[direction] = Math.max(now, freeAt[direction]) + chunk.length / bytesPerMs;
    setTimeout(
      () => {
        waiting -= chunk.length;
        if (waiting <= bufferBytes) from.resume();
        to.write(chunk);
      },
      freeAt[direction] - now + ms / 2,
    );
  });
  const later = (work) => setTimeout(work, Math.max(0, freeAt[direction] - performance.now()) + ms);
  from.on('end', () => later(() => to.end()));
  from.on('error', () => later(() => to.destroy()));
}

const server = createServer({ allowHalfOpen: true }, (near) => {
  const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
  near.setNoDelay(true);
  far.setNoDelay(true);
  relay(near, far, 'up');
  relay(far, near, 'down');
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
