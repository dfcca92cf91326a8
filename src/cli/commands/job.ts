// gomote job: runs a named job of the project file, as `gomote once` would.
import type { Command } from 'commander';
import { didYouMean } from '../../did-you-mean.ts';
import { GomoteError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { readSpec } from '../once/options.ts';
import type { OnceOptions } from '../once/spec.ts';
import { findProject, type Project, projectFileName } from '../project/find-project.ts';
import { type ProjectJob, settingsOfJob } from '../project/project-schema.ts';
import { shellLine } from '../run/shell-words.ts';
import { type Column, formatColumns } from '../terminal/table.ts';
import { print, printJson } from '../terminal/terminal.ts';
import { defineOnceOptions } from './once.ts';

export function define(command: Command, context: Context): void {
  command
    .usage('[options] [name] [arg...]')
    .argument('[name]', 'job of .gomote.toml; without it the jobs are listed')
    .argument('[arg...]', 'more arguments for its command');
  defineOnceOptions(command, context);
  command.passThroughOptions().action(async (name: string | undefined, args: string[]) => {
    const project = await findProject();
    if (project === undefined) {
      throw new GomoteError('ERR_CONFIG', `there is no ${projectFileName} here or above`, {
        hint: 'gomote init writes one',
      });
    }
    const options = command.opts<OnceOptions>();
    if (name === undefined) return await listJobs(project, options, context);
    const spec = await readJob(name, args, { project, options }, context);
    const { once } = await import('../once/once.ts');
    context.exitCode = await once(spec, context);
  });
}

async function readJob(
  name: string,
  given: readonly string[],
  { project, options }: { readonly project: Project; readonly options: OnceOptions },
  context: Context,
) {
  const job = project.jobs.get(name);
  if (job === undefined) {
    const names = [...project.jobs.keys()];
    const known = names.length === 0 ? 'it has no jobs' : `jobs are: ${names.join(', ')}`;
    throw new GomoteError('ERR_USAGE', `no job "${name}" in ${project.path}`, {
      hint: didYouMean(name, names) ?? known,
    });
  }
  const args = given[0] === '--' ? given.slice(1) : given;
  const settings = settingsOfJob(project.settings, job);
  const { run } = job;
  const words = typeof run === 'string' ? args : [...run, ...args];
  const line = typeof run === 'string' ? lineOf(run, args) : undefined;
  const typed = line === undefined ? options : { ...options, sh: line };
  const part = { project, settings, job: { ...job, name } };
  return await readSpec({ type: undefined, command: words }, typed, part, context);
}

/** Appends the arguments to the last command. A newline at its end is removed, since it would separate them. */
const lineOf = (run: string, args: readonly string[]): string =>
  args.length > 0 ? `${run.trimEnd()} "$@"` : run;

async function listJobs(
  { path, jobs }: Project,
  { json }: OnceOptions,
  { terminal }: Context,
): Promise<void> {
  if (json) {
    const listed = [...jobs].map(([name, { run, description = null }]) => ({
      name,
      description,
      run,
    }));
    return await printJson(terminal, { path, jobs: listed });
  }
  const columns: Column<[string, ProjectJob]>[] = [
    { title: 'JOB', cell: ([name]) => name },
    { title: 'WHAT', cell: ([, job]) => job.description ?? wordsOf(job) },
  ];
  await print(terminal, formatColumns([...jobs], columns, terminal));
}

const wordsOf = ({ run }: ProjectJob): string => (typeof run === 'string' ? run : shellLine(run));
