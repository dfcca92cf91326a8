// The second `create` with a setup that takes a minute, on this machine: node bench/setup.js [TREE] [RUNS] [SECONDS]
//
// The setup does what `npm ci` does: it writes the files of a tree to the work directory, and waits for the rest of the time. The
// result is kept. Each later `create` is measured once the copy that is made ready in the background is there.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gomote, median, report } from './paired.js';

const tree = process.argv[2] ?? new URL('../node_modules', import.meta.url).pathname;
const runs = Number(process.argv[3] ?? 7);
const seconds = Number(process.argv[4] ?? 60);
/** On a disk, as a user's files are. */
const directory = mkdtempSync(join(homedir(), 'gomote-bench-'));
for (const name of ['XDG_STATE_HOME', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME', 'XDG_RUNTIME_DIR']) {
  process.env[name] = join(directory, name.toLowerCase());
  mkdirSync(process.env[name], { mode: 0o700 });
}
const script = join(directory, 'setup');
function ours(...args) {
  const start = process.hrtime.bigint();
  const { status, stdout, stderr } = spawnSync(process.execPath, [gomote, ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${status}: ${stderr}`);
  return { ms: Number(process.hrtime.bigint() - start) / 1e6, said: stdout.trim(), stderr };
}
const create = () => ours('create', '--setup', script, 'local');

const kept = join(process.env.XDG_STATE_HOME, 'gomote-snapshots');
const readyIn = (name) => readdirSync(join(kept, name)).filter((each) => each.startsWith('ready'));
const hasReady = () =>
  readdirSync(kept).some((name) => !name.startsWith('.') && readyIn(name).length > 0);

async function settled() {
  for (let tries = 0; tries < 1_200 && !hasReady(); tries++) await sleep(100);
}

try {
  writeFileSync(
    script,
    `#!/bin/bash\nSECONDS=0\ncp -a '${tree}' node_modules\nsleep $((SECONDS < ${seconds} ? ${seconds} - SECONDS : 0))\n`,
  );
  const first = create();
  ours('destroy', first.said);
  const later = [];
  for (let round = 0; round < runs; round++) {
    await settled();
    const one = create();
    if (!/done before/.test(one.stderr)) throw new Error(`the setup was run: ${one.stderr}`);
    later.push(one.ms);
    ours('destroy', one.said);
  }
  const files = readdirSync(tree, { recursive: true, withFileTypes: true }).filter((each) =>
    each.isFile(),
  );
  const reference = first.ms;
  report(`create with a setup of ${seconds} s that leaves ${files.length} files`, [
    { what: 'the first', ms: first.ms, reference },
    { what: 'later', ms: median(later), reference, limit: 3 / seconds },
  ]);
} finally {
  ours('destroy', '--all');
  rmSync(directory, { recursive: true, force: true });
}
