// The caches of a project file. They are the project's own: a file that came with a repository reaches no other's.
import { createHash } from 'node:crypto';
import type { Cache } from '../../protocol/cache.ts';
import type { Project } from './find-project.ts';
import type { ProjectSettings } from './project-schema.ts';

export function projectCaches(
  { directory }: Pick<Project, 'directory'>,
  { caches = [] }: Pick<ProjectSettings, 'caches'>,
): Cache[] {
  return caches.map((cache) => ({
    ...{ ...cache, name: `${shortName(cache.name)}.${digestOf(directory)}`, isOptional: true },
  }));
}

/** Two long names may begin alike. */
const shortName = (name: string): string =>
  name.length <= 40 ? name : `${name.slice(0, 31)}.${digestOf(name)}`;

const digestOf = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 8);
