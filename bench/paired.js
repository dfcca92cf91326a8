// Runs programs in turns, so that what else the machine does falls on all of them alike.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const gomote = new URL('../bin/gomote.js', import.meta.url).pathname;

/** Wall time of one run, in ms; the run must succeed. */
function time(argv) {
  const start = process.hrtime.bigint();
  run(argv);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Medians in ms of `runs` alternating runs of each command, after two that do not count. */
export function compare(commands, runs) {
  const times = Object.fromEntries(Object.keys(commands).map((name) => [name, []]));
  for (let run = -2; run < runs; run++) {
    for (const [name, argv] of Object.entries(commands)) {
      const ms = time(argv);
      if (run >= 0) times[name].push(ms);
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]));
}

/** Runs a program that must succeed. */
export function run(argv) {
  const { status, stderr } = spawnSync(argv[0], argv.slice(1), {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${status}: ${stderr}`);
}

/** Medians in ms of `runs` alternating runs of each work, after two that do not count; `before` is not timed. */
export function medians(works, runs) {
  const times = works.map(() => []);
  for (let round = -2; round < runs; round++) {
    works.forEach(({ before, argv }, index) => {
      before?.();
      const ms = time(argv);
      if (round >= 0) times[index].push(ms);
    });
  }
  return times.map(median);
}

/** A local buildlet of the bench's own, ended when `work` is done. */
export async function withBuildlet(work, node = process.execPath) {
  const directory = mkdtempSync(join(tmpdir(), 'gomote-bench-'));
  process.env.XDG_RUNTIME_DIR = directory;
  const run = (...args) => spawnSync(node, [gomote, ...args], { encoding: 'utf8' }).stdout.trim();
  const name = run('create', 'local');
  try {
    return await work(name, run);
  } finally {
    run('destroy', name);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A buildlet as on another machine: reached through a port, by a client that is told nothing else of it. */
export async function withBuildletOnPort(work) {
  const directory = mkdtempSync(join(tmpdir(), 'gomote-bench-'));
  const program = new URL('../bin/buildlet.js', import.meta.url).pathname;
  const argv = [
    program,
    '--listen',
    '127.0.0.1:0',
    '--insecure-no-password',
    '--workdir',
    directory,
  ];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const [line] = await once(child.stdout, 'data');
    return await work(`any@${String(line).trim()}`);
  } finally {
    child.kill();
    await once(child, 'exit');
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Prints rows of [what, median, reference, ratio, limit] and the same as a line of JSON. */
export function report(title, rows) {
  console.log(`${title}, Node ${process.versions.node}`);
  for (const { what, ms, reference, limit } of rows) {
    const ratio = ms / reference;
    const verdict =
      limit === undefined ? '' : ratio <= limit ? ` (at most ${limit})` : ` (OVER ${limit})`;
    console.log(
      `  ${what.padEnd(44)} ${ms.toFixed(1).padStart(8)} ms  ${ratio.toFixed(2)}${verdict}`,
    );
  }
  console.log(JSON.stringify({ title, node: process.versions.node, rows }));
}

/** A port of loopback that nobody listens on, for programs that cannot choose one themselves. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
