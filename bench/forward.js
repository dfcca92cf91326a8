// A port of a local buildlet through gomote forward, beside the port itself, and behind two proxies that do nothing but pipe,
// since a forwarded port has two processes on its way as well: node bench/forward.js [MIB]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { gomote, median, withBuildlet } from './paired.js';

const sizeMib = Number(process.argv[2] ?? 512);
const rounds = 7;
const pings = 2_000;

/**
 * Sends back what begins with `p`, sends as many MiB as follow a `d`, and counts the rest; in a process of its own, as a
 * user's server is.
 */
const server = `
  const { once } = require('node:events');
  const chunk = Buffer.alloc(1 << 16);
  require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
    socket.setNoDelay(true);
    socket.once('data', async (first) => {
      if (first[0] === 112) { socket.write(first); socket.pipe(socket); return; }
      if (first[0] !== 100) return socket.resume().once('end', () => socket.end('d'));
      for (let left = 16 * Number(first.subarray(1)); left > 0; left--) {
        if (!socket.write(chunk)) await once(socket, 'drain');
      }
      socket.end();
    });
    socket.on('error', () => {});
  }).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;

/** Carries connections to the port that is its argument. */
const proxy = `
  const net = require('node:net');
  const options = { allowHalfOpen: true, noDelay: true };
  net.createServer(options, (near) => {
    const far = net.connect({ ...options, host: '127.0.0.1', port: Number(process.argv[1]) });
    near.on('error', () => far.destroy()).pipe(far);
    far.on('error', () => near.destroy()).pipe(near);
  }).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;

async function start(...argv) {
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { child, line };
}

async function open(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** The median of many round trips of 64 bytes, in ms. */
async function roundTripMs(port) {
  const socket = await open(port);
  const ping = Buffer.alloc(64, 'p');
  const times = [];
  for (let index = 0; index < pings; index++) {
    const startMs = performance.now();
    socket.write(ping);
    await once(socket, 'data');
    times.push(performance.now() - startMs);
  }
  socket.destroy();
  return median(times);
}

const mibs = (startMs) => sizeMib / ((performance.now() - startMs) / 1000);

/** MiB a second to a server that counts. */
async function upload(port) {
  const socket = await open(port);
  const chunk = Buffer.alloc(1 << 16);
  const startMs = performance.now();
  for (let index = 0; index < sizeMib * 16; index++) {
    if (!socket.write(chunk)) await once(socket, 'drain');
  }
  const done = once(socket, 'data');
  socket.end();
  await done;
  return mibs(startMs);
}

/** MiB a second from a server that sends. */
async function download(port) {
  const socket = await open(port);
  const startMs = performance.now();
  let bytes = 0;
  socket.on('data', (piece) => {
    bytes += piece.length;
  });
  socket.write(`d${sizeMib}`);
  await once(socket, 'end');
  if (bytes !== sizeMib << 20) throw new Error(`${bytes} bytes came`);
  return mibs(startMs);
}

await withBuildlet(async (name) => {
  const { child, line } = await start('-e', server);
  const forward = await start(gomote, 'forward', name, `0:127.0.0.1:${line}`);
  const forwarded = Number(/:([0-9]+) /.exec(forward.line)[1]);
  const inner = await start('-e', proxy, line);
  const outer = await start('-e', proxy, inner.line);
  const rows = { direct: Number(line), proxied: Number(outer.line), forwarded };
  const found = Object.fromEntries(Object.keys(rows).map((way) => [way, [[], [], []]]));
  for (let round = -1; round < rounds; round++) {
    for (const [way, port] of Object.entries(rows)) {
      const row = [await roundTripMs(port), await upload(port), await download(port)];
      if (round >= 0) row.forEach((value, index) => void found[way][index].push(value));
    }
  }
  for (const { child: program } of [forward, outer, inner]) program.kill();
  child.kill();
  const [direct, proxied, through] = Object.keys(rows).map((way) => found[way].map(median));
  const shown = (name, [ms, up, down]) =>
    `${name}: ${ms.toFixed(3)} ms, ${up.toFixed(0)} MiB/s up, ${down.toFixed(0)} MiB/s down`;
  console.log(shown('the port', direct));
  console.log(shown('behind two proxies', proxied));
  console.log(shown('forwarded', through));
  const ratio = (of, index) => Number((of[index] / direct[index]).toFixed(3));
  const [proxiedUp, proxiedDown] = [ratio(proxied, 1), ratio(proxied, 2)];
  const [up, down] = [ratio(through, 1), ratio(through, 2)];
  console.log(
    JSON.stringify({ addedMs: through[0] - direct[0], proxiedUp, proxiedDown, up, down }),
  );
});
