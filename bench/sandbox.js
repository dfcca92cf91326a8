// What a sandbox costs: node bench/sandbox.js [RUNS]. From `create` to the first output of a command, and one more run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { gomote, median } from './paired.js';

const runs = Number(process.argv[2] ?? 15);
const node = process.execPath;
// Not below /tmp: code is not cached where everybody can write.
const directory = mkdtempSync(join(homedir(), '.gomote-bench-'));
const environment = {
  ...process.env,
  XDG_RUNTIME_DIR: directory,
  XDG_STATE_HOME: directory,
  XDG_CONFIG_HOME: directory,
  XDG_CACHE_HOME: directory,
};

function call(...args) {
  const { status, stdout, stderr } = spawnSync(node, [gomote, ...args], {
    env: environment,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

function timed(work) {
  const start = process.hrtime.bigint();
  const result = work();
  return { result, ms: Number(process.hrtime.bigint() - start) / 1e6 };
}

/** Processor time in ms of the process and of all that it has started, as far as it still runs. */
function processorMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1).split(' ');
  const own = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ');
  return children.filter(Boolean).reduce((sum, child) => sum + processorMs(child), own);
}

const processorMsOf = (name) =>
  processorMs(JSON.parse(readFileSync(join(directory, 'gomote', name, 'record.json'))).pid);

const kinds = { none: [], bubblewrap: [] };
const again = { none: [], bubblewrap: [] };
const processor = { none: [], bubblewrap: [] };
try {
  for (let round = -2; round < runs; round++) {
    for (const kind of Object.keys(kinds)) {
      const { result: name, ms } = timed(() => {
        const made = call('create', '--isolation', kind, 'local');
        call('run', made, 'echo', 'ready');
        return made;
      });
      const usedMs = processorMsOf(name);
      const second = timed(() => call('run', name, 'true'));
      call('destroy', name);
      if (round < 0) continue;
      kinds[kind].push(ms);
      again[kind].push(second.ms);
      processor[kind].push(usedMs);
    }
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
const difference = (values) => median(values.bubblewrap.map((ms, at) => ms - values.none[at]));
const rows = [
  ['create to first output', kinds, 60],
  ['of that, processor time of buildlet and sandbox', processor, 60],
  ['one more run', again, undefined],
].map(([what, values, limitMs]) => ({
  what,
  noneMs: Math.round(median(values.none)),
  bubblewrapMs: Math.round(median(values.bubblewrap)),
  differenceMs: Math.round(difference(values)),
  limitMs,
}));
console.table(rows);
console.log(JSON.stringify({ bench: 'sandbox', runs, rows }));
