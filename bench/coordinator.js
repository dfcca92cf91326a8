// What a coordinator costs, and how it grows: node bench/coordinator.js [relay|scale|queue …]
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import {
  body,
  cleanUp,
  create,
  digestOf,
  each,
  exec,
  memoryOf,
  peer,
  percentile,
  place,
  repeated,
  startBuildlet,
  startCoordinator,
  startManyBuildlets,
} from './coordinator-lab.js';
import { median } from './paired.js';

const wanted = process.argv.slice(2);
const results = [];

function report(part, row) {
  results.push({ part, ...row });
  console.log(
    `${part}: ${Object.entries(row)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ')}`,
  );
}

const timed = async (work) => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};

/** The relay beside the direct way, over the same kind of connection. */
async function relay(tls) {
  const address = await startBuildlet();
  const { url, pid } = await startCoordinator({
    tls,
    pool: ['kind = "static"', `machines = [{ address = "${address}" }]`],
  });
  const direct = peer(`http://${address}`, { maxSockets: 1 });
  const name = await create(peer(url));
  const relayed = peer(url, { name, maxSockets: 1 });
  const ways = { direct, relayed };
  if (tls !== 'off') {
    const own = await startBuildlet('--tls', 'self-signed');
    ways['direct TLS'] = peer(`https://${own.replace('https://', '')}`, { maxSockets: 1 });
  }
  const latencies = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  for (let i = -100; i < 3_000; i++) {
    for (const [way, { call }] of Object.entries(ways)) {
      const ms = await timed(() => call('GET', '/status'));
      if (i >= 0) latencies[way].push(ms);
    }
  }
  const added = (share) =>
    (percentile(latencies.relayed, share) - percentile(latencies.direct, share)).toFixed(2);
  report(`relay, ${tls === 'off' ? 'plain' : 'TLS'}`, {
    'added ms at p50': added(0.5),
    'at p99': added(0.99),
    limit: '2 and 8',
  });
  const size = 1 << 30;
  const piece = Buffer.alloc(256 << 10, 'gomote');
  const before = memoryOf(pid);
  let highest = before;
  const watch = setInterval(() => {
    highest = Math.max(highest, memoryOf(pid));
  }, 50);
  const times = Object.fromEntries(Object.keys(ways).map((way) => [way, { up: [], down: [] }]));
  for (let run = -1; run < 5; run++) {
    for (const [way, to] of Object.entries(ways)) {
      const up = await timed(() => to.call('PUT', '/write?path=big&mode=420', body(piece, size)));
      let received = 0;
      const down = await timed(() =>
        exec(to, ['cat', 'big'], (chunk) => {
          received += chunk.length;
        }),
      );
      if (received !== size) throw new Error(`${received} of ${size} bytes came`);
      if (run >= 0) {
        times[way].up.push(up);
        times[way].down.push(down);
      }
    }
  }
  clearInterval(watch);
  for (const way of ['up', 'down']) {
    const [straight, through] = [median(times.direct[way]), median(times.relayed[way])];
    const overTls = times['direct TLS'] && median(times['direct TLS'][way]);
    report(`1 GiB ${way}, ${tls === 'off' ? 'plain' : 'TLS to the coordinator'}`, {
      'direct ms': straight.toFixed(0),
      'relayed ms': through.toFixed(0),
      'of direct': (straight / through).toFixed(2),
      ...(overTls === undefined
        ? { limit: 0.6 }
        : {
            'direct TLS ms': overTls.toFixed(0),
            'of direct TLS': (overTls / through).toFixed(2),
            limit: 0.75,
          }),
    });
  }
  report('memory of the relay', {
    'MB before': before.toFixed(0),
    'MB at most': highest.toFixed(0),
  });
  for (const { close } of Object.values(ways)) close();
  await cleanUp();
}

/** Buildlets registered, and the load that 200 commands and 20 transfers make, for so long. */
async function scale(count, seconds) {
  const addresses = await startManyBuildlets(count);
  const machines = addresses.map((address) => `{ address = "${address}" }`).join(', ');
  const { url, pid } = await startCoordinator({
    pool: ['kind = "static"', `machines = [${machines}]`],
  });
  const to = peer(url);
  const names = [];
  const createMs = await timed(() => each(addresses, 20, async () => names.push(await create(to))));
  const watch = new Worker(new URL('./list-watch.js', import.meta.url), { workerData: url });
  let highest = 0;
  const memory = setInterval(() => {
    highest = Math.max(highest, memoryOf(pid));
  }, 100);
  let bytes = 0;
  const streams = Math.min(200, count);
  const transfers = Math.min(20, count);
  const stream = async (name, i) => {
    const line = Buffer.from(`${name} ${i} ${'x'.repeat(200)}\n`);
    const chunk = 25_000 - (25_000 % line.length);
    const expected = digestOf(repeated(line, chunk * seconds * 4));
    const hash = createHash('sha256');
    const script =
      '$|=1; for (1..$ARGV[1]) { print "$ARGV[0]\\n" x $ARGV[2]; select(undef,undef,undef,.25) }';
    // They do not all write at the same moment.
    await sleep((i * 250) / streams);
    const argv = ['perl', '-e', script, String(line).trimEnd(), String(seconds * 4)];
    await exec(peer(url, { name }), [...argv, String(chunk / line.length)], (piece) => {
      hash.update(piece);
      bytes += piece.length;
    });
    if (hash.digest('hex') !== expected)
      throw new Error(`${name}: other bytes came than were sent`);
  };
  const transfer = async (name, until) => {
    const at = peer(url, { name });
    const piece = Buffer.alloc(64 << 10, name);
    const size = 4 << 20;
    const expected = digestOf(repeated(piece, size));
    do {
      await at.call('PUT', '/write?path=file&mode=420', body(piece, size));
      const hash = createHash('sha256');
      await exec(at, ['cat', 'file'], (chunk) => hash.update(chunk));
      if (hash.digest('hex') !== expected) throw new Error(`${name}: another file came back`);
      bytes += 2 * size;
      await sleep(2_000);
    } while (performance.now() < until);
    at.close();
  };
  const until = performance.now() + seconds * 1_000;
  await Promise.all([
    ...names.slice(0, streams).map(stream),
    ...names.slice(-transfers).map((name) => transfer(name, until)),
  ]);
  clearInterval(memory);
  watch.postMessage('over');
  const [lists] = await once(watch, 'message');
  report(`${count} buildlets`, {
    'ms a create': (createMs / count).toFixed(1),
    streams,
    transfers,
    seconds,
    'MB/s through': (bytes / seconds / 1e6).toFixed(0),
    'list ms at p50': percentile(lists, 0.5).toFixed(1),
    'at p99': percentile(lists, 0.99).toFixed(1),
    'MB at most': highest.toFixed(0),
    errors: 0,
  });
  to.close();
  await cleanUp();
}

/** 200 creates at once for 20 local machines, each ended as soon as it is there. */
async function queue() {
  const users = ['ann', 'ben'];
  const { url, pid } = await startCoordinator({
    users,
    pool: ['kind = "local"', 'isolation = "none"', 'maximum = 20'],
  });
  const served = [];
  const form = 'version=20160922&builderType=bench&progress=1&key=';
  const one = async (i) => {
    const user = i < 150 ? 'ann' : 'ben';
    const to = peer(url, { user });
    const positions = [];
    let name = '';
    const key = `bench-create-${String(i).padStart(6, '0')}`;
    await to.call('POST', '/buildlet/create', form + key, (chunk) => {
      for (const line of String(chunk).trim().split('\n')) {
        const { Progress: step = '', Buildlet, Error: error } = JSON.parse(line);
        if (error !== undefined) throw new Error(error);
        if (/^[0-9]+ ahead/.test(step)) {
          positions.push({ at: performance.now(), ahead: Number.parseInt(step, 10) });
        }
        name = Buildlet?.Name ?? name;
      }
    });
    served.push({ i, user, positions });
    const at = peer(url, { user, name });
    await at.call('POST', '/halt', '');
    at.close();
    to.close();
  };
  const ms = await timed(() => Promise.all(Array.from({ length: 200 }, (_, i) => one(i))));
  // Once all have come, nobody's place may get worse.
  const allIn = Math.max(...served.map(({ positions }) => positions[0]?.at ?? 0));
  const wrong = served.filter(({ positions }) => {
    const places = positions.filter(({ at }) => at >= allIn).map(({ ahead }) => ahead);
    return places.some((place, i) => i > 0 && place > places[i - 1]);
  });
  const { text } = await peer(url).call('GET', '/buildlet/list');
  report('200 creates at once, 20 machines', {
    'ms in all': ms.toFixed(0),
    'of the 50 of the second user among the first 120 served': served
      .slice(0, 120)
      .filter(({ user }) => user === 'ben').length,
    'positions that got worse': wrong.length,
    left: JSON.parse(text).length,
    'MB at most': memoryOf(pid).toFixed(0),
  });
  await cleanUp();
}

const parts = {
  relay: async () => {
    await relay('off');
    await relay('self-signed');
  },
  queue,
  scale: async () => {
    await scale(10, 5);
    await scale(100, 10);
    await scale(1_000, 60);
  },
};

try {
  console.log(`bench/coordinator, Node ${process.versions.node}, in ${place}`);
  for (const [part, run] of Object.entries(parts)) {
    if (wanted.length === 0 || wanted.includes(part)) await run();
  }
  console.log(JSON.stringify({ title: 'coordinator', node: process.versions.node, results }));
} finally {
  await cleanUp();
}
