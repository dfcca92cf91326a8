// Finds out from a project's files how it is built and tested.
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { lstatSync } from '../../files/named-fs.ts';
import { readInProject } from './find-project.ts';

export interface Detected {
  readonly from: string;
  readonly jobs: Readonly<Record<string, string>>;
  /** Build output, which need not be sent. */
  readonly exclude: readonly string[];
}

type Detector = (has: (name: string) => boolean, text: () => string) => Omit<Detected, 'from'>;

/** By file, in order of precedence. */
const detectors: Readonly<Record<string, Detector>> = {
  'package.json': (has, text) => {
    const [install, run] = has('pnpm-lock.yaml')
      ? ['pnpm install --frozen-lockfile', 'pnpm run']
      : has('yarn.lock')
        ? ['yarn install --frozen-lockfile', 'yarn run']
        : has('package-lock.json')
          ? ['npm ci', 'npm run']
          : ['npm install', 'npm run'];
    const scripts = scriptsOf(text());
    const names = ['test', 'build', 'lint'].filter((name) => scripts.includes(name));
    const jobs = Object.fromEntries(names.map((name) => [name, `${install} && ${run} ${name}`]));
    return { jobs, exclude: ['node_modules'] };
  },
  'go.mod': () => ({ jobs: { test: 'go test ./...', build: 'go build ./...' }, exclude: [] }),
  'Cargo.toml': () => ({
    jobs: { test: 'cargo test', build: 'cargo build --release' },
    exclude: ['target'],
  }),
  'pyproject.toml': () => ({
    jobs: { test: 'python3 -m pip install -e . && python3 -m pytest' },
    exclude: ['.venv', '__pycache__'],
  }),
  Makefile: (_has, text) => {
    const targets = new Set(
      [...text().matchAll(/^([\w-]+)[ \t]*:(?!=)/gm)].map(([, name]) => name),
    );
    const names = ['test', 'check', 'build', 'lint', 'all'].filter((name) => targets.has(name));
    return { jobs: Object.fromEntries(names.map((name) => [name, `make ${name}`])), exclude: [] };
  },
};

function scriptsOf(text: string): string[] {
  const scripts = (JSON.parse(text) as { scripts?: unknown } | null)?.scripts;
  return typeof scripts === 'object' && scripts !== null ? Object.keys(scripts) : [];
}

/**
 * Detects the projects in the directory. When jobs share a name, the first keeps it; the others get a suffix.
 *
 * @param onSkipped Called with a message for each file that cannot be read.
 */
export function detect(directory: string, onSkipped: (line: string) => void): Detected[] {
  const has = (name: string) =>
    lstatSync(join(directory, name), { throwIfNoEntry: false }) !== undefined;
  const taken = new Set<string>();
  return Object.entries(detectors).flatMap(([from, detector]) => {
    if (!has(from)) return [];
    try {
      const text = () => readInProject(directory, from, join(directory, from)).toString('utf8');
      const { jobs, exclude } = detector(has, text);
      const stem = from.split('.')[0]?.toLowerCase() ?? '';
      const named = Object.entries(jobs).map(([name, line]): [string, string] => {
        const free = taken.has(name) ? `${name}-${stem}` : name;
        taken.add(free);
        return [free, line];
      });
      return [{ from, jobs: Object.fromEntries(named), exclude }];
    } catch (error) {
      onSkipped(`${from} says nothing: ${messageOf(error)}`);
      return [];
    }
  });
}
