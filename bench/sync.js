// push and pull beside rsync: node bench/sync.js [TREE] [RUNS]
//
// Whole commands with their start-up, on tmpfs, against a local buildlet, and the first times also against one that shares no
// files with its client as far as that knows; TREE is copied there first. Default: Debian's golang-1.19-src.
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  gomote,
  medians as mediansOf,
  report,
  run,
  withBuildlet,
  withBuildletOnPort,
} from './paired.js';

const tree = process.argv[2] ?? '/usr/share/go-1.19';
const runs = Number(process.argv[3] ?? 7);
const directory = mkdtempSync('/dev/shm/gomote-bench-');
process.env.XDG_CACHE_HOME = join(directory, 'cache');
process.env.TMPDIR = directory;
const source = join(directory, 'tree');
const copy = join(directory, 'copy');
const pulled = join(directory, 'pulled');

const medians = (works) => mediansOf(works, runs);
const remove = (path) => rmSync(path, { recursive: true, force: true });
/** Nothing is known of the tree, as before its first push; the compiled programs stay, as rsync does. */
function forgetPushes() {
  const cache = join(process.env.XDG_CACHE_HOME, 'gomote');
  if (!existsSync(cache)) return;
  for (const name of readdirSync(cache)) if (name.startsWith('push-')) remove(join(cache, name));
}
const rsync = (...args) => ['rsync', '-a', ...args];

try {
  cpSync(tree, source, { recursive: true, preserveTimestamps: true });
  mkdirSync(copy);
  const rows = [];
  const row = (what, limit, [reference, ms]) => rows.push({ what, ms, reference, limit });
  const emptied = {
    before: () => {
      remove(copy);
      mkdirSync(copy);
    },
    argv: rsync(`${source}/`, copy),
  };
  const pushTo = (name) => [
    ...[process.execPath, gomote, '--quiet', 'push'],
    ...['--dest', 'tree', name, source],
  ];
  const firstPush = (name) => ({
    before: () => {
      run([process.execPath, gomote, 'rm', name, '.']);
      forgetPushes();
    },
    argv: pushTo(name),
  });
  const firstPull = (name) => ({
    before: () => remove(pulled),
    argv: [process.execPath, gomote, '--quiet', 'pull', name, 'tree', pulled],
  });
  await withBuildlet((name) => {
    const push = pushTo(name);
    let count = 0;
    const oneChanged = {
      before: () => appendFileSync(join(source, 'src/make.bash'), `# ${count++}\n`),
      argv: push,
    };
    row('push, first time; rsync -a', 1.0, medians([emptied, firstPush(name)]));
    row(
      'push, nothing changed; rsync -a',
      2.5,
      medians([{ argv: rsync(`${source}/`, copy) }, { argv: push }]),
    );
    row('push, one file changed; push, nothing', 1.15, medians([{ argv: push }, oneChanged]));
    row('pull, first time; rsync -a', 1.0, medians([emptied, firstPull(name)]));
  });
  await withBuildletOnPort((name) => {
    row('push, first time, by a socket; rsync -a', undefined, medians([emptied, firstPush(name)]));
    row('pull, first time, by a socket; rsync -a', undefined, medians([emptied, firstPull(name)]));
  });
  report(`push and pull of ${tree}`, rows);
} finally {
  remove(directory);
}
