// A machine that dialled in beside one at a fixed address, through the same coordinator: node bench/reverse.js [MIB]
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable, Writable } from 'node:stream';
import { CoordinatorClient } from '../dist/index.js';
import { median } from './paired.js';

const sizeMib = Number(process.argv[2] ?? 256);
const rounds = 7;
const directory = mkdtempSync('/dev/shm/gomote-bench-');
const children = [];
const program = (name) => new URL(`../bin/${name}.js`, import.meta.url).pathname;

/** Starts a program and gives the first line of its output. */
async function start(name, ...args) {
  const child = spawn(process.execPath, [program(name), ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return line;
}

async function* zeros() {
  const chunk = Buffer.alloc(1 << 16);
  for (let index = 0; index < sizeMib * 16; index++) yield chunk;
}

const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() });

async function timed(work) {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

const works = {
  status: (buildlet) => timed(() => buildlet.status()),
  up: (buildlet) => timed(() => buildlet.put(Readable.from(zeros()), 'file', 0o600)),
  down: (buildlet) => {
    const options = { systemLevel: true, output: nowhere() };
    return timed(() =>
      buildlet.exec('head', { ...options, args: ['-c', `${sizeMib}M`, '/dev/zero'] }),
    );
  },
};

try {
  writeFileSync(join(directory, 'key'), randomBytes(24).toString('base64'));
  const address = await start('buildlet', '--listen', '127.0.0.1:0', '--insecure-no-password');
  const toml = `
listen = "127.0.0.1:0"
state-directory = "state"
[hosts.fixed]
[hosts.dialled]
[builders.static]
host = "fixed"
[builders.reverse]
host = "dialled"
[pools.fixed]
kind = "static"
host = "fixed"
machines = [{ address = "${address}" }]
[pools.dialled]
kind = "reverse"
host = "dialled"
key-file = "key"
`;
  const config = join(directory, 'coordinator.toml');
  writeFileSync(config, toml);
  const added = spawnSync(
    process.execPath,
    [program('coordinator'), 'user', 'add', 'bench', '--config', config],
    { encoding: 'utf8' },
  );
  const { url, fingerprint } = JSON.parse(await start('coordinator', 'serve', '--config', config));
  const trust = ['--fingerprint', fingerprint, '--key-file', join(directory, 'key')];
  await start('buildlet', '--coordinator', url, '--host-type', 'dialled', ...trust);
  const client = new CoordinatorClient({
    auth: { username: 'user-bench', password: added.stdout.trim() },
    instance: { kind: 'tcp', origin: url, fingerprint: fingerprint.replace('sha256:', '') },
  });
  const buildlets = {
    static: await client.createBuildlet('static'),
    reverse: await client.createBuildlet('reverse'),
  };
  console.log(`reverse: ${sizeMib} MiB, medians of ${rounds} turns, Node ${process.versions.node}`);
  for (const [what, work] of Object.entries(works)) {
    const turns = what === 'status' ? 500 : rounds;
    const times = { static: [], reverse: [] };
    for (let turn = -2; turn < turns; turn++) {
      for (const [kind, buildlet] of Object.entries(buildlets)) {
        const ms = await work(buildlet);
        if (turn >= 0) times[kind].push(ms);
      }
    }
    const p99 = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length * 0.99)];
    const [fixed, dialled] = [median(times.static), median(times.reverse)];
    const rest =
      what === 'status'
        ? `p99 ${p99(times.static).toFixed(2)} and ${p99(times.reverse).toFixed(2)} ms`
        : `${((sizeMib / dialled) * 1_000).toFixed(0)} MiB/s`;
    console.log(
      `  ${what.padEnd(7)} static ${fixed.toFixed(2)} ms  reverse ${dialled.toFixed(2)} ms  ratio ${(dialled / fixed).toFixed(2)}  ${rest}`,
    );
  }
  for (const buildlet of Object.values(buildlets)) await buildlet.disconnect();
  await client.disconnect();
} finally {
  for (const child of children) child.kill();
  await Promise.all(children.map((child) => child.exitCode ?? once(child, 'exit')));
  rmSync(directory, { recursive: true, force: true });
}
