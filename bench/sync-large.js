// What a change in the middle of a large file costs: node bench/sync-large.js [MIB]
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gomote, withBuildlet } from './paired.js';

const sizeMib = Number(process.argv[2] ?? 1024);
const limitBytes = 4 << 20;
const directory = mkdtempSync('/dev/shm/gomote-bench-');
process.env.TMPDIR = directory;
process.env.XDG_CACHE_HOME = join(directory, 'cache');
const tree = join(directory, 'tree');
const file = join(tree, 'large');
const piece = randomBytes(1 << 20);

/** Random bytes that cost little: no MiB is like another. */
function write(pieces) {
  const fd = openSync(file, 'w');
  for (const bytes of pieces) writeSync(fd, bytes);
  closeSync(fd);
}

function* pieces(middle) {
  for (let at = 0; at < sizeMib; at++) {
    piece.writeUInt32LE(at, 0);
    for (let offset = 4096; offset < piece.length; offset += 4096)
      piece.writeUInt32LE(at * 256 + offset, offset);
    if (at === sizeMib >> 1) yield* middle(piece);
    else yield piece;
  }
}

try {
  mkdirSync(tree);
  await withBuildlet((name) => {
    const push = () => {
      const argv = [gomote, 'push', '--json', '--dest', 'tree', name, tree];
      const { stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
      if (stdout === '') throw new Error(stderr);
      return JSON.parse(stdout);
    };
    const show = (what) => {
      const { wireBytes, seconds } = push();
      const verdict = wireBytes <= limitBytes ? `at most ${limitBytes}` : `OVER ${limitBytes}`;
      console.log(
        `  ${what.padEnd(44)} ${String(wireBytes).padStart(11)} bytes  ${seconds.toFixed(1)} s  (${verdict})`,
      );
    };
    console.log(`a file of ${sizeMib} MiB, Node ${process.versions.node}`);
    write(pieces((same) => [same]));
    push();
    write(pieces(() => [randomBytes(1 << 20)]));
    show('1 MiB changed in the middle');
    write(pieces((same) => [Buffer.from('put in'), same]));
    show('bytes put in there, and the MiB as it was');
  });
} finally {
  rmSync(directory, { recursive: true, force: true });
}
