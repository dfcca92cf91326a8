// The schema of `.gomote.toml`: settings, and jobs that extend them.
import * as v from 'valibot';
import { isAdHocHost } from '../../backends/ssh/ad-hoc.ts';
import { cachesSchema } from '../../config/caches.ts';
import { badValue, parseFile } from '../../config/file.ts';
import {
  durationSchema,
  namedValues,
  nameSchema,
  relativePathSchema,
  textSchema,
} from '../../config/values.ts';
import { mergedCaches } from '../../protocol/cache.ts';
import { faultOfPattern } from '../../sync/ignore/pattern-fault.ts';
import type { Keep } from '../once/spec.ts';
import { machineLimit } from '../once/spec.ts';

const patternSchema = v.pipe(
  v.string(),
  v.check(
    (pattern) => faultOfPattern(pattern) === undefined,
    (issue) => `a pattern as in a .gitignore, but it ${faultOfPattern(issue.input)}`,
  ),
);
const patternsSchema = v.optional(v.array(patternSchema), []);

const variableSchema = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a variable has letters, digits and "_" only'),
);
const valueSchema = v.pipe(
  v.string(),
  v.check((value) => !value.includes('\0'), 'it holds a zero byte'),
);

/** Hosts for ssh are never taken from the file; the user must name them. */
const typeSchema = v.pipe(
  textSchema,
  v.check((type) => !type.includes(','), 'a type has no commas: give types, a list'),
  v.check((type) => !isAdHocHost(type), 'a host is for config.toml, or the command line'),
);

const countSchema = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(machineLimit));

const settings = {
  backend: v.optional(nameSchema),
  type: v.optional(typeSchema),
  dest: v.optional(relativePathSchema),
  exclude: patternsSchema,
  env: v.optional(namedValues(variableSchema, valueSchema), {}),
  setup: v.optional(relativePathSchema),
  'setup-files': v.optional(v.array(relativePathSchema), []),
  caches: v.pipe(
    cachesSchema,
    v.check(
      (caches = []) => caches.every(({ shared }) => shared === undefined),
      'the caches of a project are its own: leave shared out',
    ),
  ),
  artifacts: patternsSchema,
  require: patternsSchema,
  keep: v.optional(v.picklist(['always', 'failure', 'never'] satisfies Keep[])),
  timeout: v.optional(durationSchema),
};

const jobSchema = v.strictObject({
  ...settings,
  description: v.optional(v.string()),
  /** A shell command line, or a command and its arguments. */
  run: v.union(
    [textSchema, v.pipe(v.array(v.string()), v.minLength(1))],
    'give a line for the shell, or a list of a command and its arguments',
  ),
  types: v.optional(v.pipe(v.array(typeSchema), v.minLength(1))),
  count: v.optional(countSchema),
  shard: v.optional(countSchema),
});

const schema = v.strictObject({
  ...settings,
  'keep-setup': v.optional(v.boolean()),
  jobs: v.optional(namedValues(nameSchema, jobSchema), {}),
});

type File = v.InferOutput<typeof schema>;
export type ProjectSettings = Omit<File, 'jobs'>;
export type ProjectJob = v.InferOutput<typeof jobSchema>;

export interface ProjectFile {
  readonly settings: ProjectSettings;
  readonly jobs: ReadonlyMap<string, ProjectJob>;
}

/** Throws ERR_CONFIG, naming file, key and value. */
export function parseProject(path: string, bytes: Uint8Array): ProjectFile {
  const { jobs, ...own } = parseFile(path, bytes, schema, 'project-file.md');
  for (const [name, { types, type, count, shard }] of jobs) {
    const both =
      types !== undefined && type !== undefined
        ? 'type and types'
        : count !== undefined && shard !== undefined
          ? 'count and shard'
          : undefined;
    if (both !== undefined) throw badValue(path, `jobs.${name}`, both, 'give one of them');
  }
  const isKept = own['keep-setup'];
  if (isKept !== undefined && own.setup === undefined) {
    throw badValue(path, 'keep-setup', isKept, 'there is no setup');
  }
  return { settings: own, jobs };
}

/** The settings of a job: its own, with the project's as defaults. Lists and variables are merged. */
export function settingsOfJob(project: ProjectSettings, job: ProjectJob): ProjectSettings {
  const given = Object.fromEntries(Object.entries(job).filter(([, value]) => value !== undefined));
  return {
    ...project,
    ...given,
    exclude: [...project.exclude, ...job.exclude],
    artifacts: [...project.artifacts, ...job.artifacts],
    require: [...project.require, ...job.require],
    'setup-files': [...project['setup-files'], ...job['setup-files']],
    caches: mergedCaches(project.caches, job.caches),
    env: new Map([...project.env, ...job.env]),
  };
}
