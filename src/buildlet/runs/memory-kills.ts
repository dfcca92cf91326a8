// How many processes the kernel has killed for lack of memory, where it reports that. The file is in memory: reading it
// synchronously takes less time than using another thread.
import { join } from 'node:path';
import { readSystemFile } from '../../files/process-file.ts';

/** The count for the control group of this process; undefined where there is none. */
export function countMemoryKills(root = '/'): number | undefined {
  const groups = readSystemFile(join(root, 'proc/self/cgroup'));
  const paths = (groups ?? '').split('\n').flatMap((line) => {
    const [, controllers, path] = /^[0-9]+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    // Version 2 has one tree; version 1 one a controller. In a container the path may be seen from outside.
    if (controllers === '') return [join(path, 'memory.events'), 'memory.events'];
    const ofMemory = controllers?.split(',').includes('memory') === true;
    return ofMemory
      ? [join('memory', path, 'memory.oom_control'), 'memory/memory.oom_control']
      : [];
  });
  for (const path of paths) {
    const text = readSystemFile(join(root, 'sys/fs/cgroup', path));
    const count = /^oom_kill ([0-9]+)$/m.exec(text ?? '')?.[1];
    if (count !== undefined) return Number(count);
  }
  return undefined;
}
