// The options of `gomote once`, with defaults from the project file.
import type { Setup } from '../../backends/setup.ts';
import type { Project } from '../project/find-project.ts';
import type { Guard } from '../project/local-guard.ts';
import { projectCaches } from '../project/project-caches.ts';
import type { ProjectJob, ProjectSettings } from '../project/project-schema.ts';
import { projectSetup } from '../setup.ts';
import type { OnceOptions } from './spec.ts';

export interface ProjectPart {
  readonly project: Project;
  /** With those of the job, where it is one. */
  readonly settings: ProjectSettings;
  readonly job?: { readonly name: string } & ProjectJob;
}

export interface WithProject {
  readonly options: OnceOptions;
  readonly type: string | undefined;
  /** The backend from the project file, if the user has chosen none. */
  readonly backend: string | undefined;
  readonly setup: Setup | undefined;
  /** Absent: nothing in the file could run on this machine. */
  readonly guard: Guard | undefined;
}

/**
 * The user's options override the file's. Patterns and variables of both are used.
 *
 * @param isPlaceGiven Whether the user has chosen a backend, a type or a buildlet.
 */
export function withProject(
  { project, settings, job }: ProjectPart,
  given: {
    readonly options: OnceOptions;
    readonly type: string | undefined;
    readonly isPlaceGiven: boolean;
  },
): WithProject {
  const { options, type, isPlaceGiven } = given;
  const { path } = project;
  const env = [...settings.env].map(([name, value]) => `${name}=${value}`);
  const makes = options.on === undefined;
  const isMany = options.count !== undefined || options.shard !== undefined;
  const own: { readonly [K in keyof OnceOptions]?: OnceOptions[K] | undefined } = {
    dest: settings.dest,
    timeout: settings.timeout,
    ...(makes && {
      keep: settings.keep,
      ...(type === undefined && { types: job?.types?.join(',') }),
      ...(!isMany && { count: job?.count, shard: job?.shard }),
    }),
  };
  const set: Partial<OnceOptions> = Object.fromEntries(
    Object.entries(own).filter(([, value]) => value !== undefined),
  );
  const takesType = makes && type === undefined && options.types === undefined && !set.types;
  const script = options.setup === undefined ? projectSetup(project, settings) : undefined;
  const isPlaceOfFile = takesType && (settings.type ?? settings.backend) !== undefined;
  const runs = job !== undefined || env.length > 0 || script !== undefined;
  return {
    options: {
      ...set,
      ...options,
      exclude: [...settings.exclude, ...options.exclude],
      get: [...settings.artifacts, ...options.get],
      require: [...settings.require, ...options.require],
      env: [...env, ...(options.env ?? [])],
      cache: [...(makes ? projectCaches(project, settings) : []), ...options.cache],
    },
    type: takesType ? settings.type : type,
    backend: isPlaceGiven || !makes ? undefined : settings.backend,
    setup: script,
    guard:
      isPlaceGiven || !makes || !(runs || isPlaceOfFile || set.types !== undefined)
        ? undefined
        : { what: job === undefined ? `what ${path} says` : `job "${job.name}" of ${path}` },
  };
}
