// How fast output comes: 300 MB through gomote run beside cat | cat: node bench/exec.js [RUNS]

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { compare, gomote, report, withBuildlet } from './paired.js';

const runs = Number(process.argv[2] ?? 11);
const file = '/dev/shm/gomote-bench-output';
spawnSync('sh', ['-c', `head -c 300000000 /dev/urandom > ${file}`]);

try {
  await withBuildlet((name) => {
    const result = compare(
      {
        cat: ['sh', '-c', `cat ${file} | cat > /dev/null`],
        start: [process.execPath, gomote, 'run', name, '/bin/true'],
        gomote: [process.execPath, gomote, 'run', name, 'cat', file],
      },
      runs,
    );
    report('exec: 300 MB of output', [
      { what: 'cat FILE | cat > /dev/null', ms: result.cat, reference: result.cat },
      { what: 'gomote run NAME /bin/true', ms: result.start, reference: result.cat },
      { what: 'gomote run NAME cat FILE', ms: result.gomote, reference: result.cat },
      {
        what: 'the same without its start',
        ms: result.gomote - result.start,
        reference: result.cat,
        limit: 2,
      },
    ]);
  });
} finally {
  rmSync(file, { force: true });
}
