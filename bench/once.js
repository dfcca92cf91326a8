// How long `gomote once` takes beside a bare Node, on a machine that is there and on a fresh one: node bench/once.js [RUNS]
//
// CPU time is that of the command and what it starts and waits for; it needs bash. A fresh machine is another process.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gomote, median, report, withBuildlet } from './paired.js';

const runs = Number(process.argv[2] ?? 25);
const node = process.execPath;
const fileCount = 100;

/** Wall and CPU time of one run, in ms; the run must succeed. */
function measure(argv, cwd) {
  const script = 'TIMEFORMAT="%3R %3U %3S"; time "$@" 2>/dev/null >/dev/null';
  const { status, stderr } = spawnSync('bash', ['-c', script, 'bash', ...argv], {
    cwd,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${status}: ${stderr}`);
  const [wall = 0, user = 0, system = 0] = stderr
    .trim()
    .split(' ')
    .map((text) => Number(text) * 1_000);
  return { wall, cpu: user + system };
}

const top = mkdtempSync(join(tmpdir(), 'gomote-once-'));
spawnSync('git', ['init', '--quiet', top]);
for (let i = 0; i < fileCount; i++) writeFileSync(join(top, `file-${i}.txt`), `${i}\n`.repeat(50));

await withBuildlet((name) => {
  const commands = {
    'node -e 0': [node, '-e', '0'],
    'gomote once --on NAME --no-push -- /bin/true': [
      ...[node, gomote, 'once', '--on', name, '--no-push', '--', '/bin/true'],
    ],
    'gomote once --on NAME -- /bin/true': [node, gomote, 'once', '--on', name, '--', '/bin/true'],
    'gomote once -- /bin/true': [node, gomote, 'once', '--', '/bin/true'],
  };
  const times = Object.fromEntries(Object.keys(commands).map((what) => [what, []]));
  for (let round = -2; round < runs; round++) {
    for (const [what, argv] of Object.entries(commands)) {
      const time = measure(argv, top);
      if (round >= 0) times[what].push(time);
    }
  }
  for (const kind of ['wall', 'cpu']) {
    const of = (what) => median(times[what].map((time) => time[kind]));
    const reference = of('node -e 0');
    report(
      `once, ${kind} time, ${fileCount} files`,
      Object.keys(commands).map((what) => ({
        what,
        ms: of(what),
        reference,
        ...(what.includes('--on NAME --') &&
          what.includes('-- /bin') &&
          !what.includes('--no-push') && { limit: 3 }),
      })),
    );
  }
});
rmSync(top, { recursive: true, force: true });
