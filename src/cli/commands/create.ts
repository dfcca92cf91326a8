// gomote create: creates buildlets and prints their names.
import { type Command, Option } from 'commander';
import type { AnyBackend } from '../../backends/backend.ts';
import type { Setup } from '../../backends/setup.ts';
import { nameEnding } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import { createSeveral, hostOf, type MachineOptions } from '../../gomote/create.ts';
import { withoutCreated } from '../../gomote/create-all.ts';
import { findByLabel } from '../../gomote/find-by-label.ts';
import { withType } from '../../gomote/find-type.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import type { Cache } from '../../protocol/cache.ts';
import { type Labels, nameLabel } from '../../protocol/labels.ts';
import { type Priority, priorities } from '../../protocol/priority.ts';
import type { Context } from '../context.ts';
import { printNextSteps } from '../first-steps.ts';
import { typeOfSnapshot } from '../from-snapshot.ts';
import { addLabel, addWantedOf, type WantedLabel } from '../labels.ts';
import { setupOutput } from '../setup-output.ts';
import {
  type ListingOptions,
  listingOptions,
  printListing,
  templateOf,
} from '../terminal/listing.ts';
import { addCache, appendValue, parseAmount, parseCount, parseMemoryOption } from '../values.ts';
import { groupForNew } from '../which/new-members.ts';
import { noteForProject } from '../which/project.ts';

interface Options extends ListingOptions, Omit<MachineOptions, 'memoryBytes' | 'caches'> {
  count?: number;
  memory?: number;
  cache: Cache[];
  newGroup?: string;
  name?: string;
  label: Labels;
  from?: string;
  setup?: string;
  setupFile: string[];
  setupGo?: boolean;
  freshSetup?: boolean;
  keepOnFailure?: boolean;
  project: boolean;
  require: WantedLabel[];
  priority?: Priority;
}

const countLimit = 100;

const fields = ['name', 'backend', 'builderType', 'hostType', 'created', 'expires'];

export function define(command: Command, context: Context): void {
  listingOptions(command, 'print a JSON array instead of names')
    .argument('[type]', 'builder type, or the beginning of one; without it the types are listed')
    .option('--count <n>', 'how many to create: all or none', (text) =>
      parseCount('--count', text, countLimit),
    )
    .option('--name <label>', 'the label name=LABEL, by which commands find it, too', parseName)
    .option(
      '--label <key=value>',
      'a label, by which list and destroy find it; can be repeated',
      addLabel,
      {},
    )
    .option(
      '--require <key[=value]>',
      'of a coordinator: a label that the machine must have; can be repeated',
      addWantedOf('--require'),
      [],
    )
    .addOption(
      new Option(
        '--priority <level>',
        'of a coordinator: who waits for a machine with a higher one comes first (default: normal)',
      ).choices(priorities),
    )
    .option('--new-group <name>', 'put them into a new group of this name')
    .option(
      '--inherit-env',
      'commands get all of the environment in which the buildlet is started, not only the base of it',
    )
    .option(
      '--from <tag>',
      'begin with this snapshot: its type, unless one is given, and its files',
    )
    .option(
      '--setup <file>',
      'make it ready by this script, or - for standard input, in the work directory, its output on stderr',
    )
    .option(
      '--setup-file <path>',
      'a file below here that the script needs, at the same place in the work directory; can be repeated',
      appendValue,
      [],
    )
    .option(
      '--setup-go',
      "push Go's own tree and build it there; -setup, as of Go's gomote, is the same",
    )
    .option(
      '--keep-setup',
      'keep its result also where only the work directory of it can be kept, for later creates',
    )
    .option(
      '--fresh-setup',
      'run it also where the result of the same setup is kept, and keep the new one',
    )
    .option('--keep-on-failure', 'keep it when its setup fails')
    .option('--no-project', 'without the setup and the caches of .gomote.toml')
    .option('--host <host>', 'which of the hosts of an ssh backend; default: the least busy one')
    .option('--cpus <n>', 'how many CPUs commands may use, such as 1.5', (text) =>
      parseAmount('--cpus', text),
    )
    .option('--memory <size>', 'how much memory commands may use, such as 512m or 4g', (text) =>
      parseMemoryOption('--memory', text),
    )
    .option(
      '--network <name>',
      'none, or where commands are connected: host on this machine, else bridge or the name of a network',
    )
    .addOption(
      new Option(
        '--isolation <how>',
        'on this machine only: run commands in a sandbox, or as you with all that you can do (default: none)',
      ).choices(['none', 'bubblewrap']),
    )
    .option(
      '--cache <name:path>',
      'a directory that outlives it, at PATH in the work directory or as ~/PATH; ,mode=exclusive: for one buildlet at a time; ,max-size=SIZE; can be repeated',
      addCache,
      [],
    )
    .action(async (given: string | undefined, options: Options) => {
      const type = given ?? (await typeOfSnapshot(options.from, context));
      const { signal, backends, terminal } = context;
      // Checked before anything exists that would have to be printed.
      templateOf(options, fields, terminal);
      const setUpGo = await withType(type, backends, signal, async (wanted) => {
        const { backend, builder } = wanted;
        const {
          count = 1,
          memory: memoryBytes,
          newGroup,
          name,
          label,
          require,
          cache: typed,
          ...machine
        } = options;
        const setup = await readSetup(options, backend, context);
        const go = options.setupGo ? await import('../setup-go.ts') : undefined;
        const goTree = await go?.findGoTree(builder.name, context);
        const ofProject = options.project ? await cachesOfProject() : [];
        if (name !== undefined) await requireFree(name, count, backend, signal);
        const labels = { ...label, ...(name !== undefined && { [nameLabel]: name }) };
        const group = await groupForNew(newGroup, context);
        await backend.answerPrompts?.({ signal, onHost: hostOf(options, backend) });
        const output = setupOutput(terminal, count > 1);
        const instances = await context.messages
          .during(`creating ${builder.name}`, (onProgress) =>
            createSeveral(backends, wanted, count, {
              ...{
                ...machine,
                caches: [...ofProject, ...typed],
                memoryBytes,
                machineLabels: require,
                signal,
                onProgress,
                setup,
              },
              ...(Object.keys(labels).length > 0 && { labels }),
              onWarning: context.messages.remark,
              setupOutput: output.of(onProgress),
            }),
          )
          .finally(() => output.end());
        const names = await Promise.all(
          instances.map(({ name }) => context.backends.fullName(backend.name, name)),
        );
        noteForProject(
          instances.map(({ name }) => `${backend.name}/${name}`),
          context.terminal.environment,
          name,
        );
        const isForPeople = !options.json && options.format === undefined;
        try {
          group.add(names);
          const items = instances.map(({ builderType, hostType, created, expires }, i) => ({
            ...{ name: names[i], backend: backend.name, builderType, hostType, created, expires },
          }));
          const table = () => names.map((name) => `${name}\n`).join('');
          await printListing(items, options, { fields, table, terminal });
          if (names[0] !== undefined && isForPeople) printNextSteps(names[0], context);
        } catch (error) {
          // Nobody knows their names.
          throw await withoutCreated(backend, instances, error);
        }
        if (goTree === undefined) return undefined;
        const { stdout, stderr } = terminal;
        const isPrinted = count === 1 && isForPeople;
        return () => go?.setupGo(names, goTree, isPrinted ? stdout : stderr, context);
      });
      // A failure of this must not look like that of a type: they are made, and no other backend is asked.
      await setUpGo?.();
    });
}

/** Go's `-setup` takes no value; ours with two dashes takes a file. Throws ERR_USAGE for a file after one dash. */
export const rewrite = (args: readonly string[]): string[] =>
  args.map((word, at) => {
    const [file, type] = args.slice(at + 1);
    if (word === '-setup' && file !== undefined && /^[^-]/.test(type ?? '-') && !/^-./.test(file)) {
      throw new GomoteError('ERR_USAGE', `-setup takes no file, such as "${file}": it builds Go`, {
        hint: `give --setup ${file} for a script`,
      });
    }
    return word.replace(
      /^-setup(?=$|=(?:[01tTfF]|true|True|TRUE|false|False|FALSE)$)/,
      '--setup-go',
    );
  });

/** The script of the options, else that of the project file. Throws ERR_CONFIG when the latter would run on this machine. */
async function readSetup(
  { setup, setupFile, project: isWanted }: Options,
  backend: AnyBackend,
  context: Context,
): Promise<Setup | undefined> {
  if (setup !== undefined || setupFile.length > 0) {
    const { checkSetupFiles, setupFromFlags } = await import('../setup.ts');
    checkSetupFiles(setup, setupFile);
    if (setup !== undefined) return await setupFromFlags(setup, setupFile, context.terminal);
  }
  const { findProject } = await import('../project/find-project.ts');
  const project = isWanted ? await findProject() : undefined;
  if (project?.settings.setup === undefined) return undefined;
  if (!context.backends.isGiven) {
    const { checkPlace, placeOf } = await import('../project/local-guard.ts');
    checkPlace({ what: `the setup of ${project.path}` }, await placeOf(backend, context.backends));
  }
  const { projectSetup } = await import('../setup.ts');
  return projectSetup(project, project.settings);
}

async function cachesOfProject(): Promise<Cache[]> {
  const { findProject } = await import('../project/find-project.ts');
  const project = await findProject();
  if (project?.settings.caches === undefined) return [];
  const { projectCaches } = await import('../project/project-caches.ts');
  return projectCaches(project, project.settings);
}

/** A name label must not look like a generated name. */
function parseName(text: string): string {
  if (buildletName.test(text) && !nameEnding.test(text)) return text;
  const message = `--name "${text}" cannot be a name`;
  throw new GomoteError('ERR_USAGE', message, {
    hint: 'give letters, digits, ".", "_" and "-", not with a number or five letters after the last "-"',
  });
}

/** Throws ERR_CONFLICT when the name is taken, ERR_USAGE when several buildlets would get it. */
async function requireFree(
  name: string,
  count: number,
  backend: AnyBackend,
  signal: AbortSignal,
): Promise<void> {
  if (count > 1) {
    throw new GomoteError('ERR_USAGE', `--name ${name} is for one buildlet, not for ${count}`, {
      hint: 'give --label KEY=VALUE',
    });
  }
  const other = await findByLabel(backend, name, signal);
  if (other === undefined) return;
  throw new GomoteError('ERR_CONFLICT', `${other} is named "${name}" already`, {
    hint: 'give another name, or destroy that one',
  });
}
