// The options of `gomote once`, read and checked: nothing is made before that.
import { resolve } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { currentDirectory } from '../../files/named-fs.ts';
import type { MachineOptions } from '../../gomote/create.ts';
import { pushPlace } from '../../gomote/push-place.ts';
import { setupFromOptions } from '../../gomote/setup.ts';
import type { Context } from '../context.ts';
import { typeOfSnapshot } from '../from-snapshot.ts';
import { checkRunOptions } from '../run/run-options.ts';
import { checkReportTarget } from '../run/run-report.ts';
import { checkSetupFiles } from '../setup.ts';
import { contradiction, optionOf, parseCommaList } from '../values.ts';
import { type ProjectPart, type WithProject, withProject } from './project-options.ts';
import type { OnceOptions, OnceSpec, PushedTree } from './spec.ts';
import { machineLimit } from './spec.ts';

interface Positionals {
  readonly type: string | undefined;
  readonly command: readonly string[];
}

/** Reads the options. Throws ERR_USAGE, ERR_CONFIG, and ERR_LOCAL_FILE for a file that cannot be read. */
export async function readSpec(
  given: Positionals,
  typed: OnceOptions,
  part: ProjectPart | undefined,
  context: Context,
): Promise<OnceSpec> {
  typed = withOnFailure(typed);
  checkTogether(given.type, typed);
  const isPlaceGiven =
    context.backends.isGiven || (given.type ?? typed.types ?? typed.on) !== undefined;
  const merged: Partial<WithProject> & Pick<WithProject, 'options'> =
    part === undefined
      ? { options: typed, type: given.type, setup: undefined, guard: undefined }
      : withProject(part, { options: typed, type: given.type, isPlaceGiven });
  const { options, type } = merged;
  checkTogether(type, options);
  checkRunOptions(options);
  if (options.timingJson !== undefined) checkReportTarget(options.timingJson, '--timing-json');
  if (merged.backend !== undefined) context.chooseBackend(merged.backend);
  const { on, keep = 'never', shard, count = shard ?? 1, setup } = options;
  const tree = options.push === false ? undefined : treeOf(options, part?.project.directory);
  const usual = type ?? (options.types ? undefined : await typeOfSnapshot(options.from, context));
  const types = options.types === undefined ? [usual] : parseCommaList(options.types);
  const into = options.into ?? part?.project.directory ?? tree?.top ?? currentDirectory();
  return {
    command: commandOf(given.command, options.sh),
    ...{ on, types: [...new Set(types)], count, areShards: shard !== undefined, keep },
    machine: machineOf(options),
    from: options.from,
    guard: merged.guard,
    shellOnFailure: options.shell !== undefined,
    tree,
    setup: setup === undefined ? merged.setup : setupFromOptions(setup, options.setupFile),
    ...{ get: options.get, require: options.require, into: resolve(currentDirectory(), into) },
    // Files are fetched from the tree there into the tree here.
    run: { ...options, get: [], require: [] },
    json: options.json === true,
    timingJson: options.timingJson,
  };
}

/** --on-failure in the words that once has for it. */
function withOnFailure({ onFailure, ...typed }: OnceOptions): OnceOptions {
  if (onFailure === 'shell') return { ...typed, shell: 'failure' };
  if (onFailure !== 'keep') return typed;
  if (typed.keep === 'never') throw contradiction('--on-failure keep', '--keep never');
  return { ...typed, keep: typed.keep ?? 'failure' };
}

/** The directory of the project's file, else the git work tree, else the current directory. */
function treeOf(options: OnceOptions, project: string | undefined): PushedTree {
  const place = pushPlace(project, options.dest, '--dest');
  return { ...place, exclude: options.exclude, noIgnore: !options.ignore };
}

function machineOf({
  inheritEnv,
  host,
  cpus,
  memory,
  network,
  isolation,
  cache: caches,
}: OnceOptions): MachineOptions {
  return { inheritEnv, host, cpus, memoryBytes: memory, network, isolation, caches };
}

function commandOf(words: readonly string[], script: string | undefined): OnceSpec['command'] {
  if (script !== undefined) return { cmd: '/bin/sh', args: ['-c', script, 'sh', ...words] };
  const [cmd = '', ...args] = words;
  if (cmd !== '') return { cmd, args };
  throw new GomoteError('ERR_USAGE', 'once needs a command', {
    hint: 'gomote once [options] [TYPE] -- CMD [ARG...]',
  });
}

/** Options that say which machines are made: with --on none are. */
const making = [
  ...(['types', 'count', 'shard', 'keep', 'host', 'cpus', 'memory'] as const),
  ...(['network', 'isolation', 'from', 'inheritEnv'] as const),
];

function checkTogether(type: string | undefined, options: OnceOptions): void {
  const made = making.find((key) => options[key] !== undefined);
  const { on, types, shard, count, shell, setup, setupFile } = options;
  checkSetupFiles(setup, setupFile);
  if (on !== undefined && type !== undefined) throw contradiction('--on', `the type ${type}`);
  if (on !== undefined && options.cache.length > 0) throw contradiction('--on', '--cache');
  if (on !== undefined && made !== undefined) throw contradiction('--on', optionOf(made));
  if (types !== undefined && type !== undefined) throw contradiction('--types', `the type ${type}`);
  if (types !== undefined && parseCommaList(types).length === 0) {
    throw new GomoteError('ERR_USAGE', `--types "${types}" names none`, {
      hint: 'give TYPE or TYPE,TYPE',
    });
  }
  if (shard !== undefined && count !== undefined) throw contradiction('--shard', '--count');
  const all = (types === undefined ? 1 : parseCommaList(types).length) * (shard ?? count ?? 1);
  if (shell !== undefined && all > 1) throw contradiction('--shell', 'several machines');
  if (all > machineLimit) {
    throw new GomoteError('ERR_USAGE', `${all} machines are more than one command makes`, {
      hint: `at most ${machineLimit}`,
    });
  }
}
