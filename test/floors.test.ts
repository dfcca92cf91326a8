import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

const src = new URL('../src/', import.meta.url).pathname;

/** The floor of each room, and of each file that is a room of its own. */
const floors: Record<string, number> = {
  'printable.ts': 0,
  'did-you-mean.ts': 0,
  'newest.ts': 0,
  'plural.ts': 0,
  'disposable-loop.ts': 0,
  'errors.ts': 1,
  'package-root.ts': 0,
  'shared-call.ts': 0,
  'timeout-signal.ts': 0,
  'tracing.ts': 0,
  'start-state.ts': 0,
  'node-command.ts': 0,
  'duration.ts': 2,
  'fingerprint.ts': 2,
  'rate-limit.ts': 2,
  'go-pattern.ts': 2,
  're2.ts': 0,
  'builders.ts': 3,
  protocol: 2,
  files: 3,
  config: 4,
  store: 4,
  worker: 4,
  sftp: 4,
  http: 4,
  tar: 5,
  reverse: 5,
  ssh: 5,
  tree: 6,
  client: 7,
  buildlet: 7,
  sync: 8,
  backends: 8,
  gomote: 9,
  coordinator: 9,
  cli: 10,
  testing: 10,
  'testing.ts': 11,
  'index.ts': 11,
};

/** Which rooms may import a package; a file instead of a room holds that one file to it. */
const homes: Record<string, string[]> = {
  chalk: ['cli'],
  commander: ['cli'],
  ignore: ['sync'],
  ora: ['cli'],
  re2js: ['re2.ts'],
  'smol-toml': ['config'],
  'prom-client': ['coordinator/metrics.ts'],
  tar: ['tar'],
  undici: ['http'],
  valibot: [
    ...['protocol', 'config', 'backends', 'gomote', 'coordinator'],
    'cli/project/project-schema.ts',
    'cli/mcp',
  ],
  '@modelcontextprotocol/server': ['cli/mcp/sdk.ts'],
  '@valibot/to-json-schema': ['cli/mcp/sdk.ts'],
  oauth4webapi: ['coordinator/oidc/oauth.ts'],
  selfsigned: ['http/server/self-signed.ts'],
  saxes: ['cli/junit/saxes.ts'],
  ssh2: ['ssh/ssh2.ts'],
  '@lydell/node-pty': ['buildlet/command/native-terminal.ts'],
  googleapis: ['backends/gce/google.ts'],
  'googleapis-common': ['backends/gce/google.ts'],
  '@kubernetes/client-node': ['backends/kubernetes/client-node.ts'],
  'node:http': ['http', 'reverse'],
  'node:https': ['http'],
};

/** What the command line takes from below the porch: not what a command does, but how its options are read and told. */
const besideThePorch = [
  'cli/commands/login.ts: backends/coordinator/config.ts',
  'cli/commands/push.ts: sync/go/go-root.ts',
  'cli/commands/push.ts: sync/push/watch.ts',
  'cli/commands/watch.ts: sync/push/watch.ts',
  'cli/doctor/backends.ts: backends/local/places.ts',
  'cli/fan-out/shared-input.ts: sync/push/broadcast.ts',
  'cli/project/project-schema.ts: backends/ssh/ad-hoc.ts',
  'cli/project/project-schema.ts: sync/ignore/pattern-fault.ts',
  'cli/run/junit.ts: sync/pull/requested-entries.ts',
  'cli/run/junit.ts: sync/remote/open.ts',
  'cli/transfer/copy.ts: backends/ssh/ad-hoc.ts',
  'cli/transfer/copy.ts: sync/pull/pull.ts',
  'cli/transfer/fetch-matching.ts: sync/pull/requested-entries.ts',
  'cli/transfer/glob.ts: sync/ignore/ignore-patterns.ts',
  'cli/transfer/plan-push.ts: sync/largest-paths.ts',
  'cli/transfer/plan-push.ts: sync/local/local-tree.ts',
  'cli/transfer/push-report.ts: sync/largest-paths.ts',
  'cli/values.ts: sync/ignore/pattern-fault.ts',
  'cli/which/names.ts: backends/ssh/ad-hoc.ts',
];

interface Import {
  file: string;
  from: string;
  typeOnly: boolean;
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
);
const importPattern =
  /^(import|export)( type)?[^;'"]*? from '([^']+)'|import\('([^']+)'\)|^import '([^']+)'/gms;
const imports: Import[] = files.flatMap((file) =>
  [...readFileSync(join(src, file), 'utf8').matchAll(importPattern)].map((match) => ({
    file: file.split(sep).join('/'),
    from: match[3] ?? match[4] ?? match[5] ?? '',
    typeOnly: match[2] !== undefined,
  })),
);

/** The file of src/ that an import names; undefined for a package. */
const targetOf = ({ file, from }: Import): string | undefined =>
  from.startsWith('.')
    ? relative(src, join(src, dirname(file), from))
        .split(sep)
        .join('/')
    : undefined;

/** Groups of files in which each file imports every other, directly or through others. */
function importCycles(): string[][] {
  const targets = new Map<string, string[]>();
  for (const one of imports) {
    const target = targetOf(one);
    if (target !== undefined) targets.set(one.file, [...(targets.get(one.file) ?? []), target]);
  }
  const reachable = new Map<string, ReadonlySet<string>>();
  for (const file of targets.keys()) {
    const seen = new Set<string>();
    const due = [...(targets.get(file) ?? [])];
    for (let next = due.pop(); next !== undefined; next = due.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      due.push(...(targets.get(next) ?? []));
    }
    reachable.set(file, seen);
  }
  const cycles = new Map<string, string[]>();
  for (const [file, seen] of reachable) {
    if (!seen.has(file)) continue;
    const cycle = [...seen].filter((other) => reachable.get(other)?.has(file)).sort();
    cycles.set(cycle.join(' '), cycle);
  }
  return [...cycles.values()];
}

const roomOf = (file: string): string => file.split('/')[0] ?? file;

describe('the rooms of src/', () => {
  it('are all known', () => {
    expect(
      files.map((file) => roomOf(file.split(sep).join('/'))).filter((room) => !(room in floors)),
    ).toEqual([]);
  });

  it('import from their own room or from a lower floor', () => {
    const wrong = imports
      .flatMap((one) => {
        const target = targetOf(one);
        return target === undefined ? [] : [{ file: one.file, target }];
      })
      .filter(({ file, target }) => {
        const [own, other] = [roomOf(file), roomOf(target)];
        return own !== other && (floors[own] ?? 0) <= (floors[other] ?? 99);
      });
    expect(wrong).toEqual([]);
  });

  it('of the command line reach trees and backends by the porch, with few exceptions', () => {
    const reached = imports.flatMap((one) => {
      const target = targetOf(one);
      const isBeside = target !== undefined && ['sync', 'backends'].includes(roomOf(target));
      const isCounted = roomOf(one.file) === 'cli' && isBeside && !one.typeOnly;
      return isCounted ? [`${one.file}: ${target}`] : [];
    });
    expect(reached.sort()).toEqual(besideThePorch);
  });

  it('have no import cycles, of types either', () => {
    expect(importCycles()).toEqual([]);
  });

  it('import each package only in its home; a type may be named anywhere', () => {
    const wrong = imports.filter(({ file, from, typeOnly }) => {
      const name = from.startsWith('@')
        ? from.split('/').slice(0, 2).join('/')
        : from.replace(/\/.*/, '');
      const key = from.startsWith('node:') ? from : name;
      if (from.startsWith('.') || typeOnly) return false;
      const home = homes[key];
      if (home === undefined) return !from.startsWith('node:');
      return !home.some((place) => file === place || file.startsWith(`${place}/`));
    });
    // A server's request and response are named in handlers as types only.
    expect(wrong).toEqual([]);
  });

  it('have small files', () => {
    const long = files.filter(
      (file) => readFileSync(join(src, file), 'utf8').split('\n').length > 301,
    );
    expect(long).toEqual([]);
  });

  it('never call process.exit, which cuts output still in a pipe', () => {
    const wrong = files.filter((file) =>
      /process\.exit\(/.test(readFileSync(join(src, file), 'utf8')),
    );
    expect(wrong).toEqual([]);
  });

  it('never use AbortSignal.any and AbortSignal.timeout, which Node 20 forgets while they wait', () => {
    const wrong = files.filter(
      (file) =>
        file !== 'timeout-signal.ts' &&
        /AbortSignal\.(any|timeout)\(/.test(readFileSync(join(src, file), 'utf8')),
    );
    expect(wrong).toEqual([]);
  });
});

describe('the documentation', () => {
  const root = join(src, '..');
  const pages = [
    'README.md',
    ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ];
  const pathPattern =
    /`((?:[\w.-]+\/)*[\w-]+\.(?:ts|js))`|(?<![\w./-])((?:src|bin|scripts|test|bench)\/[\w./-]+\.(?:ts|js))(?!\w)/g;

  it('names files of the code that exist', () => {
    const sources = [src, join(root, 'examples')].flatMap((directory) =>
      readdirSync(directory, { recursive: true, encoding: 'utf8' }),
    );
    const exists = (path: string) =>
      existsSync(join(root, path)) ||
      sources.some((file) => file === path || file.endsWith(`/${path}`));
    const absent = pages.flatMap((page) => {
      const text = readFileSync(join(root, page), 'utf8');
      // A decision that no longer holds speaks of the code of its time.
      if (text.includes('\n> Superseded')) return [];
      return [...text.matchAll(pathPattern)]
        .map((match) => match[1] ?? match[2] ?? '')
        .filter((path) => !exists(path))
        .map((path) => `${page}: ${path}`);
    });
    expect(absent).toEqual([]);
  });

  describe('in architecture.md', () => {
    const text = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
    const rows = [...text.matchAll(/^\| ([\d, ]+) \| (.*?) \|/gm)].flatMap((row) =>
      [...(row[2] ?? '').matchAll(/`([\w.-]+)\/?`/g)].map((room) => [room[1], row[1]]),
    );

    it('has each room on its floor', () => {
      const shown = new Map(rows.map(([room = '', floor = '']) => [room, floor.split(', ')]));
      const directories = Object.keys(floors).filter((room) => !room.endsWith('.ts'));
      expect(directories.filter((room) => !shown.has(room))).toEqual([]);
      const wrong = [...shown].filter(([room, on]) => !on.includes(String(floors[room])));
      expect(wrong).toEqual([]);
    });

    /** Where a walk goes on in another program, or in a thread. */
    const starts = [
      ...[
        'bin/gomote.js',
        'src/cli/main.ts',
        'src/buildlet/agent.ts',
        'src/buildlet/sandbox/host.ts',
      ],
      ...['src/cli/commands/push.ts', 'src/coordinator/http/handlers/relay.ts'],
      ...['src/coordinator/store/worker.ts', 'src/buildlet/trees/routes.ts'],
      'src/buildlet/trees/worker.ts',
    ];

    it.each(['a command', 'a push'])(
      'visits each file of %s once, after one that imports it',
      (what) => {
        const [, walk = ''] = text.split(`## How ${what} runs\n`);
        const [section = ''] = walk.split('\n## ');
        const visited: string[] = [];
        for (const [, named = ''] of section.matchAll(/`([\w./-]+\.(?:ts|js))`/g)) {
          const path = existsSync(join(src, named)) ? `src/${named}` : named;
          expect(visited).not.toContain(path);
          const isReached = visited.some((file) =>
            [...readFileSync(join(root, file), 'utf8').matchAll(/['"](\.[^'"]+)['"]/g)].some(
              ([, from = '']) => join(dirname(file), from) === path,
            ),
          );
          expect(isReached || starts.includes(path), path).toBe(true);
          visited.push(path);
        }
        expect(visited.length).toBeGreaterThan(30);
      },
    );
  });
});
