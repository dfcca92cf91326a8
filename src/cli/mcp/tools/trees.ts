// Tools that move trees between the project and a machine.
import { relative, resolve, sep } from 'node:path';
import * as v from 'valibot';
import { GomoteError } from '../../../errors.ts';
import { isInside, resolveInside } from '../../../files/confine.ts';
import { plural } from '../../../plural.ts';
import { printable } from '../../../printable.ts';
import { flag, machine, text, texts } from '../inputs.ts';
import { tool } from '../tool.ts';

const mostPaths = 50;

function pathLines(title: string, paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  const shown = paths.slice(0, mostPaths).map((path) => `  ${printable(path)}`);
  const left = paths.length - shown.length;
  return [`${title}:`, ...shown, ...(left > 0 ? [`  and ${left} more`] : [])];
}

export const push = tool({
  name: 'push',
  description:
    'Send a directory of the project to a machine: only what differs, without what git ignores. Files that were sent before and are gone here are removed there. Commands then run in it.',
  input: v.strictObject({
    machine,
    dir: v.optional(text('Directory of the project. Default: all of it.'), '.'),
    dest: v.optional(text('Where to, relative to the work directory. Default: its base name.')),
    exclude: v.optional(texts('Patterns of what to leave out, as in a .gitignore.')),
  }),
  hints: { destructiveHint: false, idempotentHint: true },
  call: async ({ machine, dir, ...options }, { signal, onProgress }, { machines, root }) =>
    await machines.use(machine, async ({ buildlet }) => {
      const top = placeInRoot(root, dir);
      let sent = 0;
      const onSent = (bytes: number) => {
        sent += bytes;
        onProgress(`${sent} bytes sent`);
      };
      const { files, bytes, removed } = await buildlet.push(top, { ...options, onSent, signal });
      const data = { machine: buildlet.name, files, bytes, removed };
      return {
        text: `sent ${plural(files, 'file')} (${plural(bytes, 'byte')}), removed ${removed}`,
        data,
      };
    }),
});

export const pull = tool({
  name: 'pull',
  description:
    'Fetch a directory of a machine into the project. Nothing is deleted here, and nothing that was changed here is overwritten: such files are named.',
  input: v.strictObject({
    machine,
    from: text('Directory there, relative to the work directory.'),
    to: v.optional(text('Directory of the project. Default: the base name of the one there.')),
    only: v.optional(texts('Fetch only what matches these patterns, as in a .gitignore.')),
    no_ignore: v.optional(flag('Fetch also what git ignores, such as what builds make.')),
  }),
  hints: { destructiveHint: false },
  call: async ({ machine, from, to, only, no_ignore }, { signal }, { machines, root }) =>
    await machines.use(machine, async ({ buildlet }) => {
      const base = from.split('/').findLast((part) => !['', '.', '..'].includes(part)) ?? '.';
      const here = placeInRoot(root, to ?? base);
      const options = { to: here, only, noIgnore: no_ignore, signal };
      const { files, bytes, paths } = await buildlet.pull(from, options);
      const lines = [`fetched ${plural(files, 'file')} (${plural(bytes, 'byte')}) into ${here}`];
      const data = { machine: buildlet.name, files, bytes, into: here };
      return { text: [...lines, ...pathLines('paths', paths)].join('\n'), data };
    }),
});

/** Resolves a path relative to the root, which is a real path. Throws ERR_PATH for paths outside it. */
function placeInRoot(root: string, given: string): string {
  const path = resolve(root, given);
  if (given.includes('\0') || !isInside(root, path)) throw outside(root, given);
  const inRoot = relative(root, path).split(sep).join('/');
  try {
    return resolveInside(root, inRoot === '' ? '.' : inRoot, { follow: true });
  } catch (error) {
    throw error instanceof GomoteError && error.code !== 'ERR_PATH' ? error : outside(root, given);
  }
}

const outside = (root: string, given: string): GomoteError =>
  new GomoteError('ERR_PATH', `"${given}" is not in ${root}`, {
    hint: 'name a path inside the project, relative to its top',
  });
