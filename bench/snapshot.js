// `create --from` of a prepared tree of 15,000 files on this machine, beside cp -a: node bench/snapshot.js [TREE] [RUNS]
//
// In turns. What each has made is removed before the next one, outside of the measured time; so is the wait for a copy that is
// made ready in the background, where there is one. The first `create` after a snapshot, which finds none, has a row of its own.
import { spawnSync } from 'node:child_process';
import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { gomote, median, report } from './paired.js';

const given = process.argv[2] ?? new URL('../node_modules', import.meta.url).pathname;
const runs = Number(process.argv[3] ?? 7);
const wanted = 15_000;
/** On a disk, as a user's files are. */
const directory = mkdtempSync(join(homedir(), 'gomote-bench-'));
for (const name of ['XDG_STATE_HOME', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME', 'XDG_RUNTIME_DIR']) {
  process.env[name] = join(directory, name.toLowerCase());
  mkdirSync(process.env[name], { mode: 0o700 });
}
const tree = join(directory, 'tree');
const copy = join(directory, 'copy');

/** Wall time, and the processor time of the command and what it waits for, in ms. */
function measure(...argv) {
  const script = 'TIMEFORMAT="%3R %3U %3S"; time "$@" 2>/dev/null';
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', ...argv], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${status}: ${stderr}`);
  const [wall, user, system] = stderr
    .trim()
    .split(' ')
    .map((text) => Number(text) * 1_000);
  return { wall, cpu: user + system, said: stdout.trim() };
}

const ours = (...args) => measure(process.execPath, gomote, ...args);

const countFiles = (path) =>
  readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .length;

/** Programs of many megabytes would measure the disk. */
const isSmall = (path) => {
  const stats = lstatSync(path);
  return !stats.isFile() || stats.size <= 256 << 10;
};

/** A tree of at least so many files, of copies of the one that is given. */
function prepare() {
  let files = 0;
  for (let n = 0; files < wanted; n++) {
    for (const name of readdirSync(given)) {
      const to = join(tree, `modules-${n}`, name);
      cpSync(join(given, name), to, { recursive: true, verbatimSymlinks: true, filter: isSmall });
      files += lstatSync(to, { throwIfNoEntry: false })?.isDirectory() ? countFiles(to) : 1;
      if (files >= wanted) return;
    }
  }
}

const kept = () => join(process.env.XDG_STATE_HOME, 'gomote-snapshots', 'prepared');
const hasReady = () => readdirSync(kept()).some((name) => name.startsWith('ready'));

async function settled() {
  for (let tries = 0; tries < 600 && !hasReady(); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

try {
  prepare();
  const first = ours('create', 'local').said;
  ours('push', first, tree);
  ours('snapshot', 'create', first, 'prepared');
  const of = { create: [], cold: [], cp: [] };
  for (let round = -1; round < runs; round++) {
    for (const kind of ['cp', 'cold', 'create']) {
      if (kind === 'cp') {
        const one = measure('cp', '-a', tree, copy);
        if (round >= 0) of.cp.push(one);
        rmSync(copy, { recursive: true });
        continue;
      }
      if (kind === 'create') await settled();
      else if (hasReady()) {
        for (const name of readdirSync(kept())) {
          if (name.startsWith('ready')) rmSync(join(kept(), name), { recursive: true });
        }
      }
      const one = ours('create', '--from', 'prepared', 'local');
      if (round >= 0) of[kind].push(one);
      ours('destroy', one.said);
    }
  }
  const at = (kind, what) => median(of[kind].map((one) => one[what]));
  const reference = at('cp', 'wall');
  report(`create --from of ${countFiles(tree)} files`, [
    { what: 'with a copy that is ready', ms: at('create', 'wall'), reference, limit: 0.6 },
    { what: 'without one', ms: at('cold', 'wall'), reference },
    { what: 'processor time of the command', ms: at('create', 'cpu'), reference: at('cp', 'cpu') },
  ]);
} finally {
  ours('destroy', '--all');
  rmSync(directory, { recursive: true, force: true });
}
