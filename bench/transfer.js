// Archives and listings beside tar, gzip, pigz and git: node bench/transfer.js [TREE] [RUNS]
//
// Whole commands with their start-up, on tmpfs, against a local buildlet; TREE is copied there first. Default: Debian's
// golang-1.19-src. Then: how soon /status answers while the tree arrives, and how cost grows with the number of files.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gomote, median, medians, report, run, withBuildlet } from './paired.js';

const tree = process.argv[2] ?? '/usr/share/go-1.19';
const runs = Number(process.argv[3] ?? 7);
const directory = mkdtempSync('/dev/shm/gomote-bench-');
process.env.TMPDIR = directory;
const source = join(directory, 'tree');
const archive = join(directory, 'tree.tar.gz');
const out = join(directory, 'out');
const file = join(directory, 'file');
const node = process.execPath;

const shell = (script, ...args) => ['sh', '-c', script, 'sh', ...args];
const emptied = () => {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
};

function rows(name) {
  const all = [];
  const compared = (what, limit, reference, work) => {
    const [referenceMs, ms] = medians([reference, work], runs);
    all.push({ what, ms, reference: referenceMs, limit });
  };
  const emptyThere = () => run([node, gomote, 'rm', name, '.']);
  compared(
    'puttar; tar xzf',
    0.9,
    { before: emptied, argv: ['tar', 'xzf', archive, '-C', out] },
    { before: emptyThere, argv: [node, gomote, 'puttar', name, archive] },
  );
  const gettar = { argv: [node, gomote, 'gettar', name, '-o', file] };
  const packed = (by) => ({ argv: shell(`tar c -C "$1" . | ${by} > "$2"`, source, file) });
  compared('gettar; tar c | gzip', 0.45, packed('gzip'), gettar);
  compared('gettar; tar c | pigz', 0.9, packed('pigz'), gettar);
  const git = (...args) => [
    'git',
    '-C',
    source,
    '-c',
    'user.name=x',
    '-c',
    'user.email=x',
    ...args,
  ];
  for (const args of [
    ['init', '-q'],
    ['add', '-A'],
    ['commit', '-qm', 'x'],
  ])
    run(git(...args));
  const listing = { argv: [node, gomote, 'ls', '-R', '-d', name] };
  compared('ls -R -d, second time; git status', 0.5, { argv: git('status') }, listing);
  rmSync(join(source, '.git'), { recursive: true });
  return all;
}

/** Times in ms of /status, asked without a pause while puttar runs. */
async function statusTimes(name) {
  const { BuildletClient } = await import('../dist/index.js');
  const record = spawnSync('find', [process.env.XDG_RUNTIME_DIR, '-name', 'socket'], {
    encoding: 'utf8',
  });
  const socket = record.stdout.trim();
  const password = spawnSync('sh', ['-c', `cat "$(dirname "$1")"/password*`, 'sh', socket], {
    encoding: 'utf8',
  });
  const client = new BuildletClient(`unix:${socket}`, { password: password.stdout.trim() });
  const times = [];
  await client.status();
  const child = spawn(node, [gomote, 'puttar', name, archive], { stdio: 'ignore' });
  let over = false;
  child.once('exit', () => {
    over = true;
  });
  while (!over) {
    const start = performance.now();
    await client.status();
    times.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await client.disconnect();
  return times.sort((a, b) => a - b);
}

/** Seconds for each number of files of 1 kB, a hundred to a directory. */
function growth(name) {
  const content = Buffer.alloc(1000, 'gomote\n');
  const points = [1000, 10_000, 100_000].map((count) => {
    const root = join(directory, 'many');
    for (let i = 0; i < count; i++) {
      if (i % 100 === 0) mkdirSync(join(root, String(i / 100)), { recursive: true });
      writeFileSync(join(root, String(Math.floor(i / 100)), `f${i}`), content);
    }
    const emptyThere = () => run([node, gomote, 'rm', name, '.']);
    const [putMs, getMs, lsMs] = medians(
      [
        { before: emptyThere, argv: [node, gomote, 'puttar', name, root] },
        { argv: [node, gomote, 'gettar', name, '-o', file] },
        { argv: [node, gomote, 'ls', '-R', '-d', name] },
      ],
      3,
    );
    rmSync(root, { recursive: true });
    return { count, putMs, getMs, lsMs };
  });
  return points;
}

/** The exponent of cost ~ files^slope between the last two points. */
const slope = ([, a, b], key) => Math.log(b[key] / a[key]) / Math.log(b.count / a.count);

try {
  cpSync(tree, source, { recursive: true, preserveTimestamps: true });
  run(['tar', 'czf', archive, '-C', source, '.']);
  await withBuildlet(async (name) => {
    report(`archives and listings of ${tree}`, rows(name));
    const times = await statusTimes(name);
    const worst = times.at(-1);
    console.log(
      `  /status while the tree arrives: ${times.length} asked, median ${median(times).toFixed(1)} ms, worst ${worst.toFixed(1)} ms (at most 50)`,
    );
    const points = growth(name);
    for (const { count, putMs, getMs, lsMs } of points) {
      const ms = [putMs, getMs, lsMs].map((value) => value.toFixed(0).padStart(7)).join(' ');
      console.log(`  ${String(count).padStart(7)} files: puttar, gettar, ls -R -d:${ms} ms`);
    }
    const slopes = ['putMs', 'getMs', 'lsMs'].map((key) => slope(points, key).toFixed(2));
    console.log(`  slope from 10k to 100k: ${slopes.join(' ')}`);
    console.log(JSON.stringify({ title: 'growth', points, status: { worst } }));
  });
} finally {
  rmSync(directory, { recursive: true, force: true });
}
