// Commands on 50 local buildlets at once: node bench/fan-out.js [RUNS]
//
// The first figure is `run true` on all of them, in turns with 50 processes of `node -e 0` that xargs starts at once. The second
// is 50 times 10 MB of output: every line is counted and compared.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { compare, gomote } from './paired.js';

const count = 50;
const runs = Number(process.argv[2] ?? 5);
const bytesEach = 10e6;

// Not below /tmp: compiled code is kept only where nobody else can write.
const home = mkdtempSync(join(homedir(), 'gomote-bench-'));
for (const [name, path] of Object.entries({ HOME: home, XDG_RUNTIME_DIR: home, USER: 'me' })) {
  process.env[name] = path;
}
for (const name of ['XDG_STATE_HOME', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME'])
  delete process.env[name];
process.chdir(home);

function call(...argv) {
  const { status, stdout, stderr } = spawnSync(gomote, argv, { encoding: 'utf8', maxBuffer: 1e9 });
  if (status !== 0) throw new Error(`gomote ${argv.join(' ')}: ${status}: ${stderr}`);
  return stdout;
}

try {
  call('create', '--count', String(count), '--new-group', 'all', 'local');
  const medians = compare(
    {
      'run true': [gomote, 'run', '--group', 'all', 'true'],
      'node -e 0': ['sh', '-c', `seq ${count} | xargs -P ${count} -I{} ${process.execPath} -e 0`],
    },
    runs,
  );
  const ratio = medians['run true'] / medians['node -e 0'];
  const much = await readMuch();
  process.stdout.write(
    [
      `run true on ${count} buildlets   ${(medians['run true'] / 1e3).toFixed(2)} s`,
      `${count} x node -e 0             ${(medians['node -e 0'] / 1e3).toFixed(2)} s, ratio ${ratio.toFixed(2)}`,
      `${count} x ${bytesEach / 1e6} MB, prefixed      ${much.seconds.toFixed(2)} s, ${much.lines} lines, ${much.wrong} wrong, ${much.megabytes} MB of memory at most`,
      JSON.stringify({ ...medians, ratio, much }),
      '',
    ].join('\n'),
  );
} finally {
  spawnSync(gomote, ['destroy', '--all', '--yes']);
  rmSync(home, { recursive: true, force: true });
}

/** Checks that the lines of each buildlet come whole, in order, and all of them. */
async function readMuch() {
  const lines = bytesEach / 100;
  const script = `BEGIN { for (i = 0; i < ${lines}; i++) printf "%09d ${'x'.repeat(89)}\\n", i }`;
  const start = performance.now();
  const argv = ['-v', gomote, 'run', '--group', 'all', 'awk', script];
  const child = spawn('/usr/bin/time', argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const next = new Map();
  let [total, wrong, rest] = [0, 0, ''];
  for await (const chunk of child.stdout) {
    const all = rest + chunk.toString('latin1');
    const end = all.lastIndexOf('\n') + 1;
    rest = all.slice(end);
    for (const line of all.slice(0, end).split('\n')) {
      if (line === '') continue;
      const [, name = '', number = ''] = /^(\S+)\| (\d{9}) x{89}$/.exec(line) ?? [];
      const expected = next.get(name) ?? 0;
      if (Number(number) !== expected || name === '') wrong++;
      next.set(name, expected + 1);
      total++;
    }
  }
  if (rest !== '' || next.size !== count) wrong++;
  for (const got of next.values()) if (got !== lines) wrong++;
  const seconds = (performance.now() - start) / 1e3;
  const kilobytes = /Maximum resident set size \(kbytes\): (\d+)/.exec(stderr)?.[1];
  return { seconds, lines: total, wrong, megabytes: Math.round(Number(kilobytes ?? 0) / 1e3) };
}
