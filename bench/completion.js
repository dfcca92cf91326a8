// How long a completion takes beside a bare Node: node bench/completion.js [RUNS]
import { compare, gomote, report, withBuildlet } from './paired.js';

const runs = Number(process.argv[2] ?? 25);
const node = process.execPath;

await withBuildlet((name) => {
  const complete = (...words) => [node, gomote, '__complete', 'zsh', ...words];
  const result = compare(
    {
      bare: [node, '-e', '0'],
      commands: complete('ru'),
      options: complete('run', '--id'),
      names: complete('run', ''),
      files: complete('rm', name, ''),
    },
    runs,
  );
  report('completion', [
    { what: 'node -e 0', ms: result.bare, reference: result.bare },
    { what: 'commands', ms: result.commands, reference: result.bare },
    { what: 'options of run', ms: result.options, reference: result.bare },
    { what: 'names of buildlets', ms: result.names, reference: result.bare, limit: 1.6 },
    { what: 'files on a buildlet', ms: result.files, reference: result.bare },
  ]);
});
