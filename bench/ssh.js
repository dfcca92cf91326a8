// A host that is reached by ssh, beside ssh and rsync: node bench/ssh.js [TREE] [RUNS]
//
// sshd on loopback, reached as it is and behind a relay of 50 Mbit/s and 40 ms (bench/slow-link.js).
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { freePort, gomote, median, medians, report } from './paired.js';
import { writeServerFiles } from './ssh-server.js';

// Node 20 reads it for 40 ms at each start.
delete process.env.NODE_EXTRA_CA_CERTS;
const tree = process.argv[2] ?? '/usr/share/go-1.19';
const runs = Number(process.argv[3] ?? 3);
// Not below /tmp: where others can write, programs keep no compiled code.
const directory = mkdtempSync(join(homedir(), 'gomote-bench-ssh-'));
const at = (name) => join(directory, name);
const children = [];

function run(...argv) {
  const { status, stdout, stderr } = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${status}: ${stderr}`);
  return stdout.trim();
}

function timed(...argv) {
  const start = process.hrtime.bigint();
  run(...argv);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

/** Starts a program; returns the first text that it writes to standard output or error. */
async function start(...argv) {
  const child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  const [text] = await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data')]);
  return text.toString().trim();
}

/** Returns the port. */
async function startServer() {
  const port = await freePort();
  mkdirSync(at('there'));
  writeServerFiles(at, port, [`SetEnv HOME=${at('there')}`]);
  await start('/usr/sbin/sshd', '-D', '-e', '-f', at('sshd.conf'));
  return port;
}

/** Names the hosts `loop` and `link` for ssh and for gomote, which has directories of its own. */
function configure(ports) {
  const hosts = Object.entries(ports).map(
    ([name, port]) => `Host ${name}\n  HostName 127.0.0.1\n  Port ${port}\n`,
  );
  const common = [
    'Host *',
    `IdentityFile ${at('user')}`,
    'UserKnownHostsFile /dev/null',
    'StrictHostKeyChecking no',
    'LogLevel ERROR',
  ];
  writeFileSync(at('client'), `${hosts.join('')}${common.join('\n  ')}\n`, { mode: 0o600 });
  mkdirSync(at('config/gomote'), { recursive: true });
  const backends = Object.keys(ports).map(
    (name) =>
      `[backends.${name}]\nkind = "ssh"\nhosts = ["${name}"]\nssh-config = "${at('client')}"\n`,
  );
  writeFileSync(at('config/gomote/config.toml'), backends.join(''), { mode: 0o600 });
  process.env.HOME = directory;
  process.env.XDG_CONFIG_HOME = at('config');
  for (const name of ['XDG_CACHE_HOME', 'XDG_STATE_HOME', 'XDG_RUNTIME_DIR']) {
    delete process.env[name];
  }
}

const here = (...args) => [process.execPath, gomote, ...args];
const master = (host) => ['-F', at('client'), '-o', `ControlPath=${at(`master-${host}`)}`];
const ssh = (host) => ['ssh', ...master(host), host];

try {
  const port = await startServer();
  const relay = new URL('slow-link.js', import.meta.url).pathname;
  configure({
    loop: port,
    link: await start(process.execPath, relay, String(port), '50', '40'),
  });
  const lines = [];
  for (const host of ['loop', 'link']) {
    run(
      'ssh',
      ...master(host),
      '-o',
      'ControlMaster=yes',
      '-o',
      'ControlPersist=600',
      '-f',
      '-N',
      host,
    );
    const name = run(...here('create', '--backend', host, 'local'));
    const [ms, reference] = medians(
      [{ argv: here('run', name, 'true') }, { argv: [...ssh(host), 'true'] }],
      runs * 10,
    );
    const what = `run true on ${host === 'loop' ? 'loopback' : 'the link'}; ssh with ControlPersist`;
    lines.push({ what, ms, reference, limit: 1.5 });
    if (host === 'loop') run(...here('destroy', name));
    else lines.push(push(name));
  }
  report('ssh; the link has 50 Mbit/s and 40 ms', lines);
  run(...here('destroy', '--all', '--yes', '--backend', 'link'));
} finally {
  for (const child of children) child.kill();
  for (const host of ['loop', 'link']) spawnSync('ssh', [...master(host), '-O', 'exit', host]);
  spawnSync('pkill', ['-f', `${directory}/.cache/gomote/ssh`]);
  rmSync(directory, { recursive: true, force: true });
}

function push(name) {
  const source = at('tree');
  cpSync(tree, source, { recursive: true, preserveTimestamps: true });
  const times = { push: [], rsync: [] };
  const remote = ['rsync', '-az', '-e', `ssh ${master('link').join(' ')}`];
  for (let round = 0; round < runs; round++) {
    run(...ssh('link'), 'rm', '-rf', 'copy');
    times.rsync.push(timed(...remote, `${source}/`, 'link:copy'));
    run(...here('rm', name, '.'));
    rmSync(at('.cache/gomote/states'), { recursive: true, force: true });
    for (const file of readdirSync(at('.cache/gomote'))) {
      if (file.startsWith('push-')) rmSync(at(`.cache/gomote/${file}`));
    }
    times.push.push(timed(...here('push', '--dest', 'tree', name, source)));
  }
  const [reference, ms] = [median(times.rsync), median(times.push)];
  return { what: 'push, first time; rsync -az', ms, reference, limit: 1.1 };
}
