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
  const inner = await start('-e', proxy, line);
  const outer = await start('-e', proxy, inner.line);
  const rows = { direct: Number(line), proxied: Number(outer.line), forwarded };
  const found = { direct: [[], []], proxied: [[], []], forwarded: [[], []] };
  for (let round = -1; round < rounds; round++) {
    for (const [way, port] of Object.entries(rows)) {
      const pair = [await roundTripMs(port), await throughput(port)];
      if (round < 0) continue;
      for (const index of [0, 1]) found[way][index].push(pair[index]);
    }
  }
  for (const { child: program } of [forward, outer, inner]) program.kill();
  child.kill();
  const of = (way) => found[way].map(median);
  const [[directMs, directMibs], [proxiedMs, proxiedMibs], [ms, mibs]] = Object.keys(rows).map(of);
  const row = (name, times, rates) => `${name}: ${times.toFixed(3)} ms, ${rates.toFixed(0)} MiB/s`;
  console.log(row('the port', directMs, directMibs));
  console.log(row('behind two proxies', proxiedMs, proxiedMibs));
  console.log(row('forwarded', ms, mibs));
  const ratios = { proxiedRatio: proxiedMibs / directMibs, throughputRatio: mibs / directMibs };
  console.log(JSON.stringify({ addedMs: ms - directMs, ...ratios }));
});
