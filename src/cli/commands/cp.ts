// gomote cp: copies files and directories between this machine and buildlets, or between buildlets.
import { basename, join, posix } from 'node:path';
import type { Command } from 'commander';
import { GomoteError, messageOf } from '../../errors.ts';
import type { Buildlet } from '../../gomote/buildlet.ts';
import { nameHere } from '../../gomote/transfer.ts';
import { checkInside } from '../../gomote/work-dir-path.ts';
import { plural } from '../../plural.ts';
import type { Context } from '../context.ts';
import type { Passed } from '../terminal/progress.ts';
import { printJson } from '../terminal/terminal.ts';
import {
  type CopyEnd,
  type CopyPlace,
  copyOne,
  kindOf,
  listEnd,
  parseCopyPlace,
} from '../transfer/copy.ts';
import { expandPattern, isPattern } from '../transfer/glob.ts';

interface Options {
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument(
      '<paths...>',
      'sources, then the target: NAME:PATH on a buildlet, or PATH here; in sources * ? [a-z] match names',
    )
    .option('-r, --recursive', 'for those who are used to it: a directory is always copied whole')
    .option('--json', 'print a summary as JSON')
    .usage('[options] <source...> <target>')
    .action(async (given: string[], options: Options) => {
      const places = given.map(parseCopyPlace);
      const to = places.pop();
      if (to === undefined || places.length === 0) {
        throw new GomoteError('ERR_USAGE', 'cp needs a source and a target', {
          hint: 'gomote cp NAME:PATH PATH',
        });
      }
      check(places, to);
      const names = [...places, to].flatMap(({ buildlet }) => buildlet ?? []);
      await withEach([...new Set(names)], context, async (buildlets) => {
        const endOf = (place: CopyPlace) => endAt(place, buildlets);
        await copyAll(places.map(endOf), endOf(to), options, context);
      });
    });
}

function check(sources: readonly CopyPlace[], to: CopyPlace): void {
  for (const { buildlet, text, path } of [...sources, to]) {
    if (buildlet !== undefined) checkInside('the path', path);
    else if (text === '-' || text === '') {
      throw new GomoteError('ERR_USAGE', `cp does not take "${text}" as a path`, {
        hint: 'gomote put NAME - PATH takes standard input, gomote get NAME PATH - writes it',
      });
    }
  }
  const local = sources.find(({ buildlet }) => buildlet === undefined);
  if (local === undefined || to.buildlet !== undefined) return;
  throw new GomoteError('ERR_USAGE', `neither "${local.text}" nor "${to.text}" is on a buildlet`, {
    hint: 'write a path there as NAME:PATH',
  });
}

async function withEach(
  [first, ...others]: readonly string[],
  context: Context,
  work: (buildlets: ReadonlyMap<string, Buildlet>) => Promise<void>,
  open: ReadonlyMap<string, Buildlet> = new Map(),
): Promise<void> {
  if (first === undefined) return await work(open);
  await context.withBuildlet(first, (buildlet) =>
    withEach(others, context, work, new Map([...open, [first, buildlet]])),
  );
}

function endAt(
  { text, path, buildlet }: CopyPlace,
  buildlets: ReadonlyMap<string, Buildlet>,
): CopyEnd {
  const remote = buildlet === undefined ? undefined : buildlets.get(buildlet);
  return { text, path, remote };
}

async function copyAll(
  given: readonly CopyEnd[],
  target: CopyEnd,
  { json }: Options,
  context: Context,
): Promise<void> {
  const startedAtMs = performance.now();
  const failures: unknown[] = [];
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      context.signal.throwIfAborted();
      failures.push(error);
    }
  };
  const sources: CopyEnd[] = [];
  for (const one of given) {
    await attempt(async () => {
      sources.push(...(await matching(one, context.signal)));
    });
  }
  const into = await directoryOf(target, given.length > 1 || sources.length > 1, context.signal);
  const passed: Passed = { bytes: 0, files: 0 };
  const taken = new Set<string>();
  await context.messages.showing(passed, async () => {
    for (const from of sources) {
      await attempt(async () => {
        const to = into ? inDirectory(target, from) : target;
        if (taken.has(to.path)) {
          throw new GomoteError('ERR_USAGE', `${from.text} would overwrite ${to.text}`, {
            hint: 'it was copied by this command; copy one of them elsewhere',
          });
        }
        taken.add(to.path);
        await copyOne(from, to, passed, context);
      });
    }
  });
  const { files = 0, bytes } = passed;
  const seconds = Math.round(performance.now() - startedAtMs) / 1000;
  if (json) {
    const summary = { files, bytes, seconds, failed: failures.length };
    await printJson(context.terminal, summary);
  }
  const [first] = failures;
  if (failures.length === 1) throw first;
  if (first !== undefined) {
    const counts = `${failures.length} of ${plural(Math.max(sources.length, given.length), 'source')}`;
    const all = failures.map(messageOf).join('; ');
    throw new GomoteError('ERR_STATUS', `${counts} failed: ${all}`, { cause: first });
  }
}

/** The source, or everything that its pattern matches. A local file with the pattern's own name takes precedence. */
async function matching(source: CopyEnd, signal: AbortSignal): Promise<CopyEnd[]> {
  if (!isPattern(source.path) || (await kindOf(source, signal)) !== 'absent') return [source];
  const paths = await expandPattern(source.path, (path) => listEnd({ ...source, path }, signal));
  if (paths.length === 0) {
    throw new GomoteError('ERR_NO_SUCH_FILE', `nothing matches ${source.text}`, {
      hint: source.remote ? `see gomote ls ${source.remote.name}` : 'check the path',
    });
  }
  const before = source.text.slice(0, source.text.length - source.path.length);
  return paths.map((path) => ({ ...source, path, text: `${before}${path}` }));
}

/** Whether the target is a directory to copy into. Throws when it must be a directory and is not. */
async function directoryOf(
  target: CopyEnd,
  isNeeded: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const { path, remote, text } = target;
  const kind = await kindOf(target, signal);
  if (kind === 'directory') return true;
  // A buildlet creates the parent directories of a file.
  const isMeant = path === '' || path.endsWith('/') || isNeeded;
  if (isMeant && (kind === 'file' || remote === undefined)) {
    throw new GomoteError('ERR_USAGE', `the target ${text} is not a directory`, {
      hint: kind === 'file' ? 'copy into a directory' : `mkdir -p ${path}`,
    });
  }
  return isMeant;
}

function inDirectory({ text, path, remote }: CopyEnd, source: CopyEnd): CopyEnd {
  // The work directory itself has no name to copy under.
  const name = nameOf(source, remote === undefined);
  const own = name === '.' || name === '..' ? '' : name;
  const separator = path === '' || path.endsWith('/') || own === '' ? '' : '/';
  const there = remote === undefined ? join(path, own) : `${path}${separator}${own}`;
  return { text: `${text}${separator}${own}`, path: there, remote };
}

function nameOf({ path, remote }: CopyEnd, isForHere: boolean): string {
  if (remote === undefined) return basename(path);
  return isForHere ? nameHere(path) : posix.basename(path);
}
