// The caches of a project file. They are the project's own: a file that came with a repository reaches no other's.
import { createHash } from 'node:crypto';
import type { Cache } from '../../protocol/cache.ts';
import type { Project } from './find-project.ts';
import type { ProjectSettings } from './project-schema.ts';

export function projectCaches(
  { directory }: Pick<Project, 'directory'>,
  { caches = [] }: Pick<ProjectSettings, 'caches'>,
): Cache[] {
  const project = createHash('sha256').update(directory).digest('hex').slice(0, 8);
  return caches.map((cache) => ({
    ...{ ...cache, name: `${cache.name.slice(0, 40)}.${project}`, isOptional: true },
  }));
}
