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
  const queue = [];
  let waiting = 0;
  let timer;
  const enqueue = (work, length) => {
    const now = performance.now();
    freeAt[direction] = Math.max(now, freeAt[direction]) + length / bytesPerMs;
    queue.push({ at: freeAt[direction] + ms / 2, work });
    if (timer === undefined) timer = setTimeout(pass, 1);
  };
  // In the order in which it came: timers of different lengths would not keep it.
  const pass = () => {
    while (queue.length > 0 && queue[0].at <= performance.now()) queue.shift().work();
    timer = queue.length > 0 ? setTimeout(pass, 1) : undefined;
  };
  from.on('data', (chunk) => {
    waiting += chunk.length;
    if (waiting > bufferBytes) from.pause();
    enqueue(() => {
      waiting -= chunk.length;
      if (waiting <= bufferBytes) from.resume();
      to.write(chunk);
    }, chunk.length);
  });
  from.on('end', () => enqueue(() => to.end(), 0));
  from.on('error', () => enqueue(() => to.destroy(), 0));
}

const server = createServer({ allowHalfOpen: true }, (near) => {
  const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
  near.setNoDelay(true);
  far.setNoDelay(true);
  relay(near, far, 'up');
  relay(far, near, 'down');
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
