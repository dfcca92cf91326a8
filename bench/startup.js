// How long gomote takes beside a bare Node: node bench/startup.js [RUNS]
import { compare, gomote, report, withBuildlet } from './paired.js';

const runs = Number(process.argv[2] ?? 25);
const node = process.execPath;
const isModern = Number(process.versions.node.split('.')[0]) >= 22;

await withBuildlet((name) => {
  const result = compare(
    {
      bare: [node, '-e', '0'],
      version: [node, gomote, '--version'],
      run: [node, gomote, 'run', name, '/bin/true'],
    },
    runs,
  );
  report('startup', [
    { what: 'node -e 0', ms: result.bare, reference: result.bare },
    { what: 'gomote --version', ms: result.version, reference: result.bare, limit: 1.3 },
    {
      what: 'gomote run NAME /bin/true',
      ms: result.run,
      reference: result.bare,
      limit: isModern ? 2.2 : 1.8,
    },
  ]);
});
