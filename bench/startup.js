// How long gomote takes beside a bare Node: node bench/startup.js [RUNS]
import { compare, gomote, report, withBuildlet } from './paired.js';

const runs = Number(process.argv[2] ?? 25);
const node = process.execPath;
const library = new URL('../dist/index.js', import.meta.url);
const isModern = Number(process.versions.node.split('.')[0]) >= 22;

await withBuildlet((name) => {
  const result = compare(
    {
      bare: [node, '-e', '0'],
      version: [node, gomote, '--version'],
      run: [node, gomote, 'run', name, '/bin/true'],
      module: [node, '--input-type=module', '-e', ''],
      library: [node, '--input-type=module', '-e', `await import('${library}')`],
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
    { what: 'node --input-type=module -e ""', ms: result.module, reference: result.module },
    // At most 30 ms more.
    {
      what: "import 'gomote'",
      ms: result.library,
      reference: result.module,
      limit: 1 + 30 / result.module,
    },
  ]);
});
