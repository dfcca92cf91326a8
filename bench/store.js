// push to a second machine of a coordinator, beside rsync: node bench/store.js [TREE] [RUNS]
//
// First over a relay of 50 Mbit/s and 40 ms (bench/slow-link.js) between client and coordinator, beside rsync -az over the same link to a
// daemon; then on loopback, beside rsync -a. Each push is to a machine that has been emptied.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, gomote, median, report } from './paired.js';

const tree = process.argv[2] ?? '/usr/share/go-1.19';
/** The time from the creation of a machine to the push, where the tree is made ahead. */
const aheadMs = 3_000;
const runs = Number(process.argv[3] ?? 7);
const directory = mkdtempSync('/dev/shm/gomote-bench-');
process.env.XDG_CACHE_HOME = join(directory, 'cache');
process.env.XDG_CONFIG_HOME = join(directory, 'config');
process.env.XDG_STATE_HOME = join(directory, 'own-state');
process.env.TMPDIR = directory;
const source = join(directory, 'tree');
const copy = join(directory, 'copy');
const children = [];
const fileBeside = (path) => new URL(path, import.meta.url).pathname;

function run(...argv) {
  const { status, stdout, stderr } = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${status}: ${stderr}`);
  return stdout + stderr;
}

function timed(...argv) {
  const start = process.hrtime.bigint();
  run(...argv);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

/** Starts a program, and gives the first line that it prints. */
async function start(...argv) {
  const child = spawn(argv[0], argv.slice(1), {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: directory,
  });
  children.push(child);
  const [line] = await once(child.stdout, 'data');
  child.stdout.resume();
  return line.toString().split('\n')[0];
}

const slowed = async (port) =>
  await start(process.execPath, fileBeside('slow-link.js'), String(port), '50', '40');

async function rsyncDaemon() {
  const port = await freePort();
  const config = join(directory, 'rsyncd.conf');
  writeFileSync(
    config,
    `[copy]\npath = ${copy}\nread only = no\nuse chroot = no\nuid = root\ngid = root\n`,
  );
  const daemon = ['--daemon', '--no-detach', '--address=127.0.0.1', `--port=${port}`];
  // With a socket as its standard input, which Node's pipes are, it would take itself for a child of inetd.
  children.push(spawn('rsync', [...daemon, `--config=${config}`], { stdio: 'ignore' }));
  const url = `rsync://127.0.0.1:${await slowed(port)}/copy/`;
  for (let tries = 0; spawnSync('rsync', [url]).status !== 0; tries++) {
    if (tries === 100) throw new Error('no rsync daemon');
  }
  return url;
}

async function startCoordinator() {
  const port = await freePort();
  const buildlet = [fileBeside('../bin/buildlet.js'), '--listen', '127.0.0.1:0'];
  mkdirSync(join(directory, 'work'));
  const work = ['--insecure-no-password', '--workdir', join(directory, 'work')];
  const address = await start(process.execPath, ...buildlet, ...work);
  const config = join(directory, 'coordinator.toml');
  writeFileSync(
    config,
    [
      `listen = "127.0.0.1:${port}"`,
      'state-directory = "state"',
      'tls = "off"',
      '[hosts.host-linux]\n[builders.linux]\nhost = "host-linux"',
      `[pools.one]\nkind = "static"\nhost = "host-linux"\nmachines = [{ address = "${address.trim()}" }]`,
    ].join('\n'),
  );
  const program = fileBeside('../bin/coordinator.js');
  mkdirSync(join(directory, 'state'), { mode: 0o700 });
  const token = run(process.execPath, program, 'user', 'add', 'me', '--config', config).match(
    /gomote_\S+/,
  )[0];
  await start(process.execPath, program, 'serve', '--config', config);
  const tokenFile = join(directory, 'token');
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const places = { near: port, far: await slowed(port) };
  mkdirSync(join(process.env.XDG_CONFIG_HOME, 'gomote'), { recursive: true, mode: 0o700 });
  const settings = join(process.env.XDG_CONFIG_HOME, 'gomote/config.toml');
  const backends = Object.entries(places).map(
    ([name, at]) =>
      `[backends.${name}]\nkind = "coordinator"\nurl = "http://127.0.0.1:${at}"\nuser = "me"\ntoken-file = "${tokenFile}"`,
  );
  writeFileSync(settings, backends.join('\n'), { mode: 0o600 });
  chmodSync(settings, 0o600);
}

try {
  cpSync(tree, source, { recursive: true, preserveTimestamps: true });
  mkdirSync(copy);
  await startCoordinator();
  const url = await rsyncDaemon();
  const here = (...args) => [process.execPath, gomote, ...args];
  const create = () =>
    run(...here('create', '--backend', 'near', 'linux'))
      .trim()
      .split('/')
      .pop();
  let bare = create();
  const push = (place, ...more) =>
    here('--verbose', 'push', ...more, '--dest', 'tree', `${place}/${bare}`, source);
  run(...push('near'));
  /** A fresh machine, which has had time to make the tree ahead, or has just run a command. */
  const renew = async (isAhead) => {
    run('find', copy, '-mindepth', '1', '-delete');
    run(...here('destroy', `near/${bare}`));
    bare = create();
    if (isAhead) await sleep(aheadMs);
    else run(...here('run', `near/${bare}`, 'true'));
  };
  const rows = [];
  // On loopback nothing would be compressed.
  const far = () => push('far', '--compress', 'gzip');
  const near = () => push('near');
  const [overLink, onDisk] = [
    ['rsync', '-az', `${source}/`, url],
    ['rsync', '-a', `${source}/`, `${copy}/`],
  ];
  const works = [
    ['over the link, made ahead', true, far, overLink, 0.05],
    ['over the link, right after a command', false, far, overLink, 0.05],
    ['on one machine, made ahead', true, near, onDisk, 0.8],
    ['on one machine, right after a command', false, near, onDisk, 0.8],
  ];
  for (const [what, isAhead, ours, theirs, limit] of works) {
    const times = { ours: [], theirs: [] };
    for (let round = 0; round < runs; round++) {
      await renew(isAhead);
      times.theirs.push(timed(...theirs));
      times.ours.push(timed(...ours()));
    }
    rows.push({ what, ms: median(times.ours), reference: median(times.theirs), limit });
    await renew(isAhead);
    const said = run(...ours());
    const requests = said.match(/^gomote: (?:GET|PUT|POST) .*/gm);
    console.log(
      `${what}: ${requests.length} requests (at most 6); ${said.match(/[^\n]* on the wire[^\n]*/)?.[0]}`,
    );
  }
  report('push to a second machine of a coordinator', rows);
} finally {
  for (const child of children) child.kill();
  rmSync(directory, { recursive: true, force: true });
}
