// The daily commands beside tar, rsync, ssh and sha1sum, and beside Go's gomote: node bench/peers.js [TREE] [RUNS]
//
// Whole commands with their start-up, on tmpfs, in turns, against a local buildlet. TREE is copied there first. Default: Debian's
// golang-1.19-src. With GO_GOMOTE, the program, and GO_BUILDLET, the name of a buildlet it knows, the commands that both
// have are run by it too. Prints a table for docs/performance.md.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gomote, medians, run, withBuildlet } from './paired.js';
import { withSsh } from './ssh-server.js';

const tree = process.argv[2] ?? '/usr/share/go-1.19';
const runs = Number(process.argv[3] ?? 5);
const { GO_GOMOTE, GO_BUILDLET } = process.env;
const directory = mkdtempSync('/dev/shm/gomote-bench-');
process.env.XDG_CACHE_HOME = join(directory, 'cache');
process.env.XDG_STATE_HOME = join(directory, 'state');
process.env.TMPDIR = directory;
const at = (name) => join(directory, name);
const [source, archive, copy, large] = ['tree', 'tree.tar.gz', 'copy', 'large'].map(at);

const shell = (script, ...args) => ['sh', '-c', script, 'sh', ...args];
const remove = (path) => rmSync(path, { recursive: true, force: true });
const emptied = () => {
  remove(copy);
  mkdirSync(copy);
};
const rsync = ['rsync', '-a', `${source}/`, copy];

/** Nothing is known of the tree, as before its first push. */
function forgetPushes() {
  const cache = join(process.env.XDG_CACHE_HOME, 'gomote');
  if (!existsSync(cache)) return;
  for (const name of readdirSync(cache)) if (name.startsWith('push-')) remove(join(cache, name));
}

/** The works as one of the two programs does them, on its buildlet. */
function worksOf(program, name) {
  const empty = () => run([...program, 'rm', name, '.']);
  const puttar = [...program, 'puttar', name, archive];
  const push = [...program, '--quiet', 'push', '--dest', 'tree', name, source];
  return {
    'ls -R -d': {
      before: () => {
        empty();
        run(puttar);
      },
      argv: [...program, 'ls', '-R', '-d', name],
    },
    run: { argv: shell('"$@" >/dev/null', ...program, 'run', '-system', name, '/bin/cat', large) },
    puttar: { before: empty, argv: puttar },
    push: {
      before: () => {
        empty();
        forgetPushes();
        run(push);
      },
      argv: push,
    },
  };
}

function compared(name, ssh) {
  const ours = worksOf([process.execPath, gomote], name);
  const goes = GO_GOMOTE && GO_BUILDLET ? worksOf([GO_GOMOTE], GO_BUILDLET) : {};
  const rows = [
    [
      'ls -R -d',
      'find, sha1sum',
      { argv: shell('cd "$1" && find . -type f -exec sha1sum {} +', source) },
    ],
    ['run', 'ssh', { argv: shell('"$@" >/dev/null', ...ssh, 'cat', large) }],
    ['puttar', 'tar xzf', { before: emptied, argv: ['tar', 'xzf', archive, '-C', copy] }],
    [
      'push',
      'rsync -a',
      {
        before: () => {
          emptied();
          run(rsync);
        },
        argv: rsync,
      },
    ],
  ];
  return rows.map(([work, peer, peerWork]) => {
    // Go's push has options of its own, and another command for the tree.
    const go = work === 'push' ? undefined : goes[work];
    const [ms, peerMs, goMs] = medians([ours[work], peerWork, ...(go ? [go] : [])], runs);
    return { work, ms, peer, peerMs, goMs };
  });
}

try {
  cpSync(tree, source, { recursive: true, preserveTimestamps: true });
  run(['tar', 'czf', archive, '-C', source, '.']);
  run(shell('head -c 300000000 /dev/urandom >"$1"', large));
  mkdirSync(copy);
  const rows = await withSsh((ssh) => withBuildlet((name) => compared(name, ssh)));
  const says = {
    'ls -R -d': '`ls -R -d` of the tree, digests not known before',
    run: '`run` of `cat` of 300 MB',
    puttar: '`puttar` of the tree',
    push: '`push` with nothing changed, right after the first',
  };
  console.log(
    "| work | ms | beside | ms | ratio | Go's, ms | ratio |\n|---|---|---|---|---|---|---|",
  );
  for (const { work, ms, peer, peerMs, goMs } of rows) {
    const go = goMs === undefined ? ['', ''] : [goMs.toFixed(0), (ms / goMs).toFixed(2)];
    const cells = [says[work], ms.toFixed(0), `\`${peer}\``, peerMs.toFixed(0)];
    console.log(`| ${[...cells, (ms / peerMs).toFixed(2), ...go].join(' | ')} |`);
  }
  console.log(JSON.stringify({ node: process.versions.node, rows }));
} finally {
  remove(directory);
}
