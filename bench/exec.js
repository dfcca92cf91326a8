// How fast output comes: through gomote run to a file beside ssh, and to nowhere beside cat | cat:
// node bench/exec.js [RUNS] [MIB] [MB]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readSync, rmSync } from 'node:fs';
import { compare, gomote, report, withBuildlet } from './paired.js';
import { withSsh } from './ssh-server.js';

const runs = Number(process.argv[2] ?? 7);
const mib = Number(process.argv[3] ?? 1024);
const mb = Number(process.argv[4] ?? 300);
const file = '/dev/shm/gomote-bench-output';
const copy = '/dev/shm/gomote-bench-copy';
const fill = (sizeBytes) => spawnSync('sh', ['-c', `head -c ${sizeBytes} /dev/urandom > ${file}`]);

const toFile = (argv) => ['sh', '-c', `"$@" > ${copy}`, 'sh', ...argv];
const toNowhere = (argv) => ['sh', '-c', '"$@" > /dev/null', 'sh', ...argv];

try {
  await withBuildlet(async (name) => {
    const run = [process.execPath, gomote, 'run', name, 'cat', file];
    fill(mb * 1_000_000);
    const nowhere = await withBareRelay((bare) =>
      compare(
        {
          cat: ['sh', '-c', `cat ${file} | cat > /dev/null`],
          bare: toNowhere(bare),
          gomote: toNowhere(run),
        },
        runs,
      ),
    );
    report(`exec: ${mb} MB of output to /dev/null`, [
      { what: 'cat FILE | cat', ms: nowhere.cat, reference: nowhere.cat },
      { what: 'two bare Node programs', ms: nowhere.bare, reference: nowhere.cat },
      { what: 'gomote run NAME cat FILE', ms: nowhere.gomote, reference: nowhere.cat, limit: 2 },
    ]);
    fill(mib << 20);
    await withSsh((ssh) => {
      const result = compare({ ssh: toFile([...ssh, 'cat', file]), gomote: toFile(run) }, runs);
      if (sha256(copy) !== sha256(file)) throw new Error('the copy differs');
      report(`exec: ${mib} MiB of output to a file`, [
        { what: 'ssh 127.0.0.1 cat FILE', ms: result.ssh, reference: result.ssh },
        { what: 'gomote run NAME cat FILE', ms: result.gomote, reference: result.ssh, limit: 1 },
      ]);
    });
  });
} finally {
  for (const path of [file, copy]) rmSync(path, { force: true });
}

/** Gives the command that reads FILE from a server as small as can be. */
async function withBareRelay(use) {
  const program = new URL('bare-relay.js', import.meta.url).pathname;
  const socket = '/dev/shm/gomote-bench-bare';
  rmSync(socket, { force: true });
  const server = spawn(process.execPath, [program, 'serve', socket, 'cat', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(server.stdout, 'data');
    return await use([process.execPath, program, 'read', socket]);
  } finally {
    server.kill();
  }
}

function sha256(path) {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(1 << 20);
  const fd = openSync(path, 'r');
  for (let n = 1; n > 0; hash.update(buffer.subarray(0, n))) n = readSync(fd, buffer);
  closeSync(fd);
  return hash.digest('hex');
}
