// gomote once: runs one command on a new machine, with this tree on it.
import { type Command, Option } from 'commander';
import { GomoteError } from '../../errors.ts';
import { borrowOptions, type OptionSource } from '../borrowed-options.ts';
import type { Context } from '../context.ts';
import { readSpec } from '../once/options.ts';
import type { OnceOptions } from '../once/spec.ts';
import { machineLimit } from '../once/spec.ts';
import { addPatternOf, parseCount, refuseBoth } from '../values.ts';
import * as create from './create.ts';
import * as push from './push.ts';
import * as run from './run.ts';

const borrowed: ReadonlyArray<[OptionSource, string]> = [
  [
    create,
    `--from --setup-file --inherit-env --host --cpus --memory --network --isolation --cache`,
  ],
  [push, '--dest --exclude --no-ignore'],
  [
    run,
    `--system --env --env-file --path --dir --firewall --builderenv
     --interactive --tty --no-tty --timeout --idle-timeout --kill-after --reconnect
     --until --max --retry --time --break --bundle-on-failure --on-failure
     --junit --junit-output --fail-on-test-failures`,
  ],
];

export function define(command: Command, context: Context): void {
  command
    .usage('[options] [type] -- <cmd> [arg...]')
    .argument(
      '[type]',
      'builder type (default: that of .gomote.toml, else local where nothing is configured)',
    )
    .argument('[cmd...]', 'command and its arguments, after --; it runs where the tree is');
  defineOnceOptions(command, context);
  borrowOptions(command, run, '--sh', context);
  command.option('--no-project', 'do not read .gomote.toml');
  command.action(async (...given: unknown[]) => {
    const options = command.opts<OnceOptions>();
    const words = given[0] === undefined ? [] : command.args;
    context.exitCode = await runOnce(words, options, context);
  });
}

async function runOnce(words: readonly string[], options: OnceOptions, context: Context) {
  const at = words.indexOf('--');
  const types = at < 0 ? words : words.slice(0, at);
  const command = at < 0 ? [] : words.slice(at + 1);
  if (at < 0 || types.length > 1) {
    const [shown] = types;
    const what =
      at < 0 ? 'there is no -- before the command' : `"${types.join(' ')}" is not a type`;
    throw new GomoteError('ERR_USAGE', shown === undefined ? 'once needs a command' : what, {
      hint: 'gomote once [options] [TYPE] -- CMD [ARG...]',
    });
  }
  const { findProject } = await import('../project/find-project.ts');
  const project = options.project === false ? undefined : await findProject();
  const part = project && { project, settings: project.settings };
  const spec = await readSpec({ type: types[0], command }, options, part, context);
  const { once } = await import('../once/once.ts');
  return await once(spec, context);
}

/** The options that it has in common with `gomote job`. */
export function defineOnceOptions(command: Command, context: Context): void {
  command
    .option('--on <name>', 'use this buildlet, which stays, in place of a new one')
    .addOption(
      new Option(
        '--keep <when>',
        'which new buildlets stay: those where it failed, all, or none (default: never)',
      ).choices(['always', 'failure', 'never']),
    )
    .option('--count <n>', 'run it on so many of the type at once', (text) =>
      parseCount('--count', text, machineLimit),
    )
    .option('--types <types>', 'run it on each of these types at once, with commas between them')
    .option(
      '--shard <n>',
      'share it among N: each has GOMOTE_SHARD_INDEX, from 0, and GOMOTE_SHARD_TOTAL, as {index} and {total} in its arguments',
      (text) => parseCount('--shard', text, machineLimit),
    )
    .option('--no-push', 'push nothing')
    .option(
      '--setup <file>',
      'run this script there first, in the work directory, its output on stderr',
    )
    .option(
      '--get <pattern>',
      'fetch what matches, also when it failed; as in a .gitignore, from the top of the tree; can be repeated',
      addPatternOf('--get'),
      [],
    )
    .option(
      '--require <pattern>',
      'as --get, and fail when nothing matches; can be repeated',
      addPatternOf('--require'),
      [],
    )
    .option('--into <dir>', 'where to (default: this tree; of several, DIR/NAME)')
    .addOption(
      new Option('--shell <when>', 'open a shell there when it failed').choices(['failure']),
    )
    .option('--json', 'print a report as JSON; all other output goes to stderr')
    .option('--timing-json <file>', 'write the report to FILE, or to a descriptor: fd:3');
  for (const [from, names] of borrowed) borrowOptions(command, from, names, context);
  command
    .on('option:tty', () => refuseBoth(command, '-t', '-T'))
    .on('option:no-tty', () => refuseBoth(command, '-T', '-t'));
}

/** commander drops the first `--`. A second one keeps it visible. */
export const rewrite = (args: readonly string[]): string[] => {
  const at = args.indexOf('--');
  return at < 0 ? [...args] : [...args.slice(0, at), '--', ...args.slice(at)];
};
