// How the cost of a push grows with the number of files: node bench/sync-growth.js [RUNS]
//
// Files of 4 KiB, a hundred in a directory; beside each, rsync -a of the same tree in the same turn.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gomote, median, withBuildlet } from './paired.js';

const runs = Number(process.argv[2] ?? 3);
const directory = mkdtempSync('/dev/shm/gomote-bench-');
process.env.TMPDIR = directory;
process.env.XDG_CACHE_HOME = join(directory, 'cache');

function timed(...argv) {
  const start = process.hrtime.bigint();
  const { status, stderr } = spawnSync(argv[0], argv.slice(1), {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${status}: ${stderr}`);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

function plant(root, count) {
  for (let index = 0; index < count; index++) {
    const parent = join(root, `d${Math.floor(index / 100)}`);
    if (index % 100 === 0) mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `f${index}`), Buffer.alloc(4096, index));
  }
}

const remove = (path) => rmSync(path, { recursive: true, force: true });
const [tree, copy] = [join(directory, 'tree'), join(directory, 'copy')];
const columns = (values) => values.map((value) => String(value).padStart(15)).join('');

try {
  console.log(`ms for a push, medians of ${runs}, Node ${process.versions.node}`);
  console.log(columns(['files', 'first', 'rsync -a', 'nothing', 'rsync, nothing']));
  await withBuildlet((name) => {
    for (const count of [1_000, 10_000, 100_000]) {
      remove(tree);
      plant(tree, count);
      const times = { first: [], rsync: [], nothing: [], rsyncNothing: [] };
      const push = [process.execPath, gomote, '--quiet', 'push', '--dest', 'tree', name, tree];
      for (let round = 0; round < runs; round++) {
        remove(copy);
        remove(process.env.XDG_CACHE_HOME);
        timed(process.execPath, gomote, 'rm', name, '.');
        times.rsync.push(timed('rsync', '-a', `${tree}/`, copy));
        times.first.push(timed(...push));
        times.rsyncNothing.push(timed('rsync', '-a', `${tree}/`, copy));
        times.nothing.push(timed(...push));
      }
      const { first, rsync, nothing, rsyncNothing } = times;
      const medians = [first, rsync, nothing, rsyncNothing].map((list) => median(list).toFixed(0));
      console.log(columns([count, ...medians]));
    }
  });
} finally {
  remove(directory);
}
