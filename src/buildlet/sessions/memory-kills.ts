// How many processes the kernel has killed for want of memory, where it says so.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The count for the control group of this process; undefined where the kernel keeps none. */
export async function countMemoryKills(root = '/'): Promise<number | undefined> {
  const groups = await readText(join(root, 'proc/self/cgroup'));
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
    const text = await readText(join(root, 'sys/fs/cgroup', path));
    const count = /^oom_kill ([0-9]+)$/m.exec(text ?? '')?.[1];
    if (count !== undefined) return Number(count);
  }
  return undefined;
}

const readText = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch(() => undefined);
