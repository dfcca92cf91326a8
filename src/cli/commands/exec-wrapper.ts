// gomote exec-wrapper: runs a program of this machine on a buildlet, for build tools that run what they have built by a wrapper.
import { join, relative, resolve, sep } from 'node:path';
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import { isInside } from '../../files/confine.ts';
import { currentDirectory, realpathSync } from '../../files/named-fs.ts';
import type { Buildlet } from '../../gomote/buildlet.ts';
import { carryProgram, programsDirectory } from '../../gomote/carry-program.ts';
import { pushToOne } from '../../gomote/push.ts';
import { type PushPlace, pushPlace } from '../../gomote/push-place.ts';
import { borrowOptions } from '../borrowed-options.ts';
import type { Context } from '../context.ts';
import { runOn } from '../run/run-command.ts';
import { checkRunOptions, type RunOptions } from '../run/run-options.ts';
import { appendValue } from '../values.ts';
import { chooseBuildlets } from '../which/choose.ts';
import * as push from './push.ts';
import * as run from './run.ts';

interface Options extends RunOptions {
  on?: string;
  root?: string;
  dest?: string;
  push: boolean;
  send: string[];
  exclude: string[];
  ignore: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<cmd...>', 'a file of this machine that is a program, and all of its arguments')
    .option('--on <name>', 'the buildlet (default: as for commands that name none)')
    .option('--root <dir>', 'the tree to push (default: this git work tree, else this directory)')
    .option('--no-push', 'push nothing: the tree is there')
    .option(
      '--send <file>',
      'send this file along, to the directory of the program; can be repeated',
      appendValue,
      [],
    );
  borrowOptions(command, push, '--dest --exclude --no-ignore', context);
  borrowOptions(
    command,
    run,
    `--env --env-file --path --firewall --builderenv --get
     --timeout --idle-timeout --kill-after --reconnect`,
    context,
  );
  command
    .passThroughOptions()
    .action(async ([program = '', ...args]: string[], options: Options) => {
      checkRunOptions(options);
      const name = options.on ?? (await onlyBuildlet(context));
      const place = pushPlace(options.root, options.dest, '--dest');
      context.exitCode = await context.withBuildlet(name, async (buildlet) => {
        if (options.push) await pushTree(buildlet, place, options, context);
        const dir = directoryThere(place);
        const [cmd] = await Promise.all([
          carryProgram(buildlet, [resolve(program), ...options.send], context),
          makeDirectory(buildlet, dir, context),
        ]);
        const record = { startedAtMs: Date.now(), id: null };
        return await runOn({
          buildlet,
          command: { name, cmd, args },
          dir,
          options,
          context,
          record,
        });
      });
    });
}

/** The choice is not reported: a build tool takes all output for the program's. */
async function onlyBuildlet(context: Context): Promise<string> {
  const chosen = await chooseBuildlets([], 0, context, () => undefined);
  const [name, ...others] = chosen?.names ?? [];
  if (name !== undefined && others.length === 0) return name;
  const message =
    name === undefined
      ? 'exec-wrapper needs a buildlet'
      : `exec-wrapper is for one buildlet, not for ${others.length + 1}`;
  throw new GomoteError('ERR_USAGE', message, { hint: 'give --on NAME, or set GOMOTE_BUILDLET' });
}

async function pushTree(
  buildlet: Buildlet,
  place: PushPlace,
  { exclude, ignore }: Options,
  { signal, messages }: Context,
): Promise<void> {
  const { unsent } = await pushToOne(buildlet, place, { signal, exclude, noIgnore: !ignore });
  // The rest is there: the program may need none of what is not.
  for (const { message } of unsent.values()) messages.remark(`not sent: ${message}`);
}

/** The directory there for the current one: in the pushed tree, or an empty one. */
function directoryThere({ top, dir }: PushPlace): string {
  const here = realpathSync(currentDirectory());
  if (!isInside(top, here)) return `${programsDirectory}/elsewhere`;
  const below = relative(top, here).split(sep).join('/');
  return below === '' ? dir : join(dir, below).split(sep).join('/');
}

/** What git ignores, such as a directory of build results, is not pushed. */
async function makeDirectory(buildlet: Buildlet, dir: string, { signal }: Context): Promise<void> {
  if (!(await buildlet.files.exists(dir, { signal }))) await buildlet.files.mkdir(dir, { signal });
}
