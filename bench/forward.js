// A port of a local buildlet through gomote forward, beside the port itself: node bench/forward.js [MIB]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { gomote, median, withBuildlet } from './paired.js';

const sizeMib = Number(process.argv[2] ?? 512);
const rounds = 7;
const pings = 2_000;

/** Sends back what begins with `p`, and counts the rest; each in a process of its own, as a user's server is. */
const server = `
  require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
    socket.setNoDelay(true);
    socket.once('data', (first) => {
      if (first[0] === 112) { socket.write(first); socket.pipe(socket); return; }
      socket.resume().once('end', () => socket.end('d'));
    });
    socket.on('error', () => {});
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

/** MiB a second to a server that counts. */
async function throughput(port) {
  const socket = await open(port);
  const chunk = Buffer.alloc(1 << 16);
  const startMs = performance.now();
  for (let index = 0; index < sizeMib * 16; index++) {
    if (!socket.write(chunk)) await once(socket, 'drain');
  }
  const done = once(socket, 'data');
  socket.end();
  await done;
  return sizeMib / ((performance.now() - startMs) / 1000);
}

await withBuildlet(async (name) => {
  const { child, line } = await start('-e', server);
  const forward = await start(gomote, 'forward', name, `0:127.0.0.1:${line}`);
  const forwarded = Number(/:([0-9]+) /.exec(forward.line)[1]);
  const rows = { direct: Number(line), forwarded };
  const found = { direct: [[], []], forwarded: [[], []] };
  for (let round = -1; round < rounds; round++) {
    for (const [way, port] of Object.entries(rows)) {
      const pair = [await roundTripMs(port), await throughput(port)];
      if (round < 0) continue;
      for (const index of [0, 1]) found[way][index].push(pair[index]);
    }
  }
  forward.child.kill();
  child.kill();
  const of = (way) => found[way].map(median);
  const [[directMs, directMibs], [ms, mibs]] = [of('direct'), of('forwarded')];
  console.log(`round trip: ${directMs.toFixed(3)} ms, forwarded ${ms.toFixed(3)} ms`);
  console.log(`throughput: ${directMibs.toFixed(0)} MiB/s, forwarded ${mibs.toFixed(0)} MiB/s`);
  console.log(JSON.stringify({ addedMs: ms - directMs, throughputRatio: mibs / directMibs }));
});
