// Many runs: one after another, all at once, small writes, a byte's way: node bench/sessions.js [in-a-row] [at-once] [writes] [latency]
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BuildletClient } from '../dist/index.js';
import { median } from './paired.js';

const parts = process.argv.slice(2);
const wanted = (part) => parts.length === 0 || parts.includes(part);
const directory = mkdtempSync('/dev/shm/gomote-bench-');
process.env.TMPDIR = directory;
const buildletProgram = new URL('../bin/buildlet.js', import.meta.url).pathname;
const server = spawn(
  process.execPath,
  [buildletProgram, '--listen', `unix:${join(directory, 's')}`],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
await once(server.stdout, 'data');
const address = `unix:${join(directory, 's')}`;
const client = new BuildletClient(address);

const memoryMiB = () =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) / 1024;
const percentile = (values, p) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))];
const print = (what, figures) => console.log(JSON.stringify({ what, ...figures }));
const start = (cmd, args, more = {}) =>
  client.sessions.start({ cmd, args, systemLevel: true, ...more });

/** Memory is compared from the time when the heap has its size: collections come and go. */
async function inARow(count) {
  let failures = 0;
  const memory = [];
  for (let run = 0; run < count; run++) {
    const { end, isWhole } = await (await start('/bin/true', [])).read();
    if (end.code !== 0 || !isWhole) failures++;
    if (run % (count / 10) === 0) memory.push(Math.round(memoryMiB()));
  }
  print(`${count} runs in a row`, { failures, memoryMiB: [...memory, Math.round(memoryMiB())] });
}

async function atOnce(count, seconds) {
  const script = `$| = 1; for (1..${seconds * 8}) { syswrite STDOUT, "x" x 131072; select(undef, undef, undef, 0.125) }`;
  const statusMs = [];
  let over = false;
  const probing = (async () => {
    while (!over) {
      const from = performance.now();
      await client.status();
      statusMs.push(performance.now() - from);
      await sleep(20);
    }
  })();
  const work = Array.from({ length: count }, async () =>
    (await start('perl', ['-e', script])).read(),
  );
  const results = await Promise.all(work).finally(() => {
    over = true;
  });
  await probing;
  const whole = results.filter(
    ({ isWhole, end }) => isWhole && end.stdout.bytes === seconds * (1 << 20),
  ).length;
  const ends = results.map(({ end }) => end.durationMs);
  print(`${count} sessions, 1 MiB/s each, ${seconds} s`, {
    whole,
    statusP99Ms: Math.round(percentile(statusMs, 0.99)),
    slowestSeconds: Math.max(...ends) / 1_000,
    memoryMiB: Math.round(memoryMiB()),
  });
}

async function smallWrites(runs) {
  const times = { 1: [], 1024: [] };
  for (let run = -1; run < runs; run++) {
    for (const size of [1, 1024]) {
      const args = [
        'if=/dev/zero',
        `bs=${size}`,
        `count=${Math.ceil(100_000 / size)}`,
        'status=none',
      ];
      const from = performance.now();
      const result = spawnSync(process.execPath, [gomote, 'run', `x@${address}`, 'dd', ...args]);
      if (result.status !== 0 || result.stdout.length < 100_000) throw new Error('a run failed');
      if (run >= 0) times[size].push(performance.now() - from);
    }
  }
  const ratio = median(times[1]) / median(times[1024]);
  print('100,000 bytes in writes of 1 and of 1,024', {
    oneMs: Math.round(median(times[1])),
    manyMs: Math.round(median(times[1024])),
    ratio: Number(ratio.toFixed(2)),
  });
}
const gomote = new URL('../bin/gomote.js', import.meta.url).pathname;

/** The command writes the time of its write; what arrives is compared with the same clock. */
async function latency(count) {
  const script = `let n=0;const t=setInterval(()=>{require('fs').writeSync(1,process.hrtime.bigint()+'\\n');if(++n===${count})clearInterval(t)},20)`;
  const { Writable } = await import('node:stream');
  const delays = [];
  const stdout = new Writable({
    write(chunk, _encoding, done) {
      const nowNs = process.hrtime.bigint();
      for (const line of String(chunk).trim().split('\n'))
        delays.push(Number(nowNs - BigInt(line)) / 1e6);
      done();
    },
  });
  await (await start(process.execPath, ['-e', script])).read({ stdout });
  print(`${count} writes on an idle stream`, {
    p50Ms: Number(percentile(delays, 0.5).toFixed(2)),
    p99Ms: Number(percentile(delays, 0.99).toFixed(2)),
  });
}

try {
  if (wanted('in-a-row')) await inARow(1_000);
  if (wanted('at-once')) await atOnce(200, 20);
  if (wanted('writes')) await smallWrites(5);
  if (wanted('latency')) await latency(1_000);
} finally {
  await client.disconnect();
  server.kill();
  await once(server, 'exit');
  rmSync(directory, { recursive: true, force: true });
}
