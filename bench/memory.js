// Peak memory of both ends while 2 GiB move either way: node bench/memory.js [MIB] [WORK,…] [zeros]
//
// On tmpfs, or in $TMPDIR when it is set: 10 GiB need 30 GiB there.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gomote, withBuildlet } from './paired.js';

const sizeMib = Number(process.argv[2] ?? 2048);
const wanted = process.argv[3]?.split(',');
const zeros = process.argv[4] === 'zeros';
const limitMb = 150;
const directory = mkdtempSync(join(process.env.TMPDIR ?? '/dev/shm', 'gomote-bench-'));
const tree = join(directory, 'tree');
const file = join(tree, 'file');
const back = join(directory, 'back');
const archive = join(directory, 'file.tar.gz');

/** The most memory the process has held so far, in MB; 0 when it is gone. */
function peakMb(pid) {
  try {
    const kib = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0;
    return (Number(kib) * 1024) / 1e6;
  } catch {
    return 0;
  }
}

/** The buildlet whose socket is in the bench's own runtime directory. */
function buildletPid() {
  const marks = (pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return '';
    }
  };
  return readdirSync('/proc').find((pid) => {
    const line = /^\d+$/.test(pid) ? marks(pid) : '';
    return line.includes('buildlet') && line.includes(process.env.XDG_RUNTIME_DIR);
  });
}

async function clientPeak(args, stdout) {
  const script = `exec "$@" > ${stdout}`;
  const child = spawn('sh', ['-c', script, 'sh', process.execPath, gomote, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, peakMb(child.pid));
  }, 20);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`gomote ${args.join(' ')}: ${code}`);
  return peak;
}

const random = 'openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null';
const works = [
  ['put', (name) => ['put', name, file, 'file'], '/dev/null'],
  ['run', (name) => ['run', name, 'cat', 'file'], '/dev/null'],
  ['get', (name) => ['get', name, 'file', '-'], '/dev/null'],
  ['gettar', (name) => ['gettar', name], archive],
  ['puttar', (name) => ['puttar', name, archive], '/dev/null'],
  ['push', (name) => ['--quiet', 'push', '--dest', '.', name, tree], '/dev/null'],
  ['pull', (name) => ['--quiet', 'pull', name, '.', back], '/dev/null'],
];

try {
  mkdirSync(tree);
  const make = zeros
    ? `truncate -s ${sizeMib}M ${file}`
    : `${random} | head -c ${sizeMib}M > ${file}`;
  spawnSync('sh', ['-c', make]);
  console.log(
    `memory: ${sizeMib} MiB of ${zeros ? 'zeros' : 'random bytes'} each way, Node ${process.versions.node}`,
  );
  for (const [what, argsOf, stdout] of works) {
    if (wanted?.includes(what) === false) continue;
    await withBuildlet(async (name) => {
      if (['run', 'get', 'gettar', 'pull'].includes(what))
        await clientPeak(works[0][1](name), '/dev/null');
      const before = peakMb(buildletPid());
      const client = await clientPeak(argsOf(name), stdout);
      const buildlet = peakMb(buildletPid());
      if (!(before > 0 && client > 0)) throw new Error(`${what}: no process to measure`);
      const verdict = Math.max(client, buildlet) < limitMb ? `under ${limitMb}` : `OVER ${limitMb}`;
      console.log(
        `  ${what.padEnd(8)} client ${client.toFixed(0).padStart(4)} MB   buildlet ${buildlet.toFixed(0).padStart(4)} MB  (${verdict})`,
      );
    });
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
