// push through a slow link beside rsync -az: node bench/sync-link.js [TREE] [RUNS]
//
// A buildlet and an rsync daemon, each behind a relay of 50 Mbit/s and 40 ms (bench/slow-link.js).
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, gomote, median, report } from './paired.js';

const tree = process.argv[2] ?? '/usr/share/go-1.19';
const runs = Number(process.argv[3] ?? 3);
const directory = mkdtempSync('/dev/shm/gomote-bench-');
process.env.XDG_CACHE_HOME = join(directory, 'cache');
process.env.TMPDIR = directory;
const source = join(directory, 'tree');
const children = [];
const fileBeside = (path) => new URL(path, import.meta.url).pathname;

function run(...argv) {
  const { status, stderr } = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${status}: ${stderr}`);
  return stderr;
}

function timed(...argv) {
  const start = process.hrtime.bigint();
  run(...argv);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

/** Starts a program, and gives the first line that it prints. */
async function start(...argv) {
  const child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = await once(child.stdout, 'data');
  return line.toString().trim();
}

const slowed = async (port) =>
  await start(process.execPath, fileBeside('slow-link.js'), String(port), '50', '40');

async function rsyncDaemon() {
  const port = await freePort();
  const config = join(directory, 'rsyncd.conf');
  const module = `[copy]\npath = ${join(directory, 'copy')}\nread only = no\nuse chroot = no\nuid = root\ngid = root\n`;
  writeFileSync(config, module);
  // With a socket as its standard input, which Node's pipes are, it would take itself for a child of inetd.
  children.push(
    spawn(
      'rsync',
      ['--daemon', '--no-detach', '--address=127.0.0.1', `--port=${port}`, `--config=${config}`],
      { stdio: 'ignore' },
    ),
  );
  const url = `rsync://127.0.0.1:${await slowed(port)}/copy/`;
  for (let tries = 0; spawnSync('rsync', [url]).status !== 0; tries++) {
    if (tries === 100) throw new Error('no rsync daemon');
  }
  return url;
}

try {
  cpSync(tree, source, { recursive: true, preserveTimestamps: true });
  for (const name of ['work', 'copy']) mkdirSync(join(directory, name));
  const url = await rsyncDaemon();
  const buildlet = [
    fileBeside('../bin/buildlet.js'),
    '--listen',
    '127.0.0.1:0',
    '--insecure-no-password',
  ];
  const address = await start(process.execPath, ...buildlet, '--workdir', join(directory, 'work'));
  const name = `local@127.0.0.1:${await slowed(address.split(':')[1])}`;
  const here = (...args) => [process.execPath, gomote, ...args];
  // On loopback nothing would be compressed.
  const push = here('--verbose', 'push', '--compress', 'gzip', '--dest', 'tree', name, source);
  const times = { push: [], rsync: [] };
  for (let round = 0; round < runs; round++) {
    run('find', join(directory, 'copy'), '-mindepth', '1', '-delete');
    times.rsync.push(timed('rsync', '-az', `${source}/`, url));
    run(...here('rm', name, '.'));
    rmSync(process.env.XDG_CACHE_HOME, { recursive: true, force: true });
    times.push.push(timed(...push));
  }
  const [reference, ms] = [median(times.rsync), median(times.push)];
  report('50 Mbit/s, 40 ms', [{ what: 'push, first time; rsync -az', ms, reference, limit: 1.1 }]);
  const requests = run(...push).match(/^gomote: (?:GET|PUT|POST) (?!\/status)/gm);
  console.log(`  round trips of a push with nothing changed: ${requests.length} (at most 4)`);
} finally {
  for (const child of children) child.kill();
  rmSync(directory, { recursive: true, force: true });
}
