// The stages of GitLab Runner's custom executor. Each is a process of its own; a file keeps the job's machine between them.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { randomId } from '../../client/random-id.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { ifThere } from '../../files/if-there.ts';
import { createReadStream, readFileSync } from '../../files/named-fs.ts';
import { makePrivateDirectory } from '../../files/private-directory.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { userDirectory } from '../../files/user-directories.ts';
import { localStatus } from '../../gomote/run/ending.ts';
import { readVersion } from '../../package-root.ts';
import { isSessionId } from '../../protocol/session.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { Context } from '../context.ts';
import { exitCodeOf } from '../failure.ts';
import { printJson } from '../terminal/terminal.ts';

export interface GitlabOptions {
  readonly type?: string | undefined;
  /** Types that a job may ask for by its variable GOMOTE_TYPE. */
  readonly allow: readonly string[];
}

type Stage = (words: readonly string[], options: GitlabOptions, context: Context) => Promise<void>;

/** What the stage `config` hands to all later ones. Jobs cannot set it: their variables begin with CUSTOM_ENV_. */
const jobVariable = 'GOMOTE_CI_JOB';

/** A script of the runner is for bash. Without it, sh does what it can. */
const shell = 'if command -v bash >/dev/null; then exec bash; else exec sh; fi';

const stages: Readonly<Record<string, Stage>> = {
  config: async (_words, _options, { terminal }) => {
    const id = randomId();
    const answer = {
      builds_dir: `${directoryOf(id)}/builds`,
      cache_dir: `${directoryOf(id)}/cache`,
      builds_dir_is_shared: false,
      driver: { name: 'gomote', version: readVersion() },
      job_env: { [jobVariable]: id },
    };
    await printJson(terminal, answer);
  },
  prepare: async (_words, options, context) => {
    const id = jobId(context);
    const type = typeOf(options, context);
    // The runner tries this stage again when it failed.
    await destroy(id, context);
    const buildlet = await context.gomote.create(type, { signal: context.signal });
    try {
      replaceFile(recordOf(id, context), Buffer.from(buildlet.name));
    } catch (error) {
      await buildlet.destroy();
      throw error;
    }
    context.messages.remark(`the job runs on ${buildlet.name}`);
    await buildlet.disconnect();
  },
  run: async ([script], _options, context) => {
    if (script === undefined) throw new GomoteError('ERR_USAGE', 'run needs a script');
    const name = machineOf(jobId(context), context);
    if (name === undefined) throw new GomoteError('ERR_MACHINE', 'the job has no machine');
    const { stdout, stderr } = context.terminal;
    await context.withBuildlet(name, async (buildlet) => {
      const { ok, exitCode } = await buildlet.run('/bin/sh', ['-c', shell], {
        ...{ dir: '.', stdin: createReadStream(script), stdout, stderr, maxBuffer: 0 },
        signal: context.signal,
      });
      if (!ok) context.exitCode = buildFailure(exitCode ?? 1, context);
    });
  },
  cleanup: async (_words, _options, context) => {
    const id = jobId(context);
    await destroy(id, context);
    rmSync(recordOf(id, context), { force: true });
  },
};

/** How long the removal of files, and the end of a machine, may take, in ms. */
const [removalMs, destroyMs] = [30_000, 120_000];

/** Does one stage. Whatever keeps gomote from doing it is a failure of the system, and none of the build. */
export async function gitlab(
  stage: string,
  words: readonly string[],
  options: GitlabOptions,
  context: Context,
): Promise<void> {
  try {
    const work = Object.hasOwn(stages, stage) ? stages[stage] : undefined;
    if (work === undefined) {
      const known = Object.keys(stages).join(', ');
      throw new GomoteError('ERR_USAGE', `unknown stage "${stage}"`, { hint: `it is ${known}` });
    }
    await work(words, options, context);
  } catch (error) {
    const own = await exitCodeOf(error, context);
    context.exitCode = statusIn('SYSTEM_FAILURE_EXIT_CODE', context) ?? own;
  }
}

/** Where the job's files are there. The work directory is not known when the runner asks. */
const directoryOf = (id: string): string => `/tmp/gomote-ci-${id}`;

/** Keeps the command's own status, which the runner reads where it knows this file. */
function buildFailure(exitCode: number, context: Context): number {
  const file = context.terminal.environment.BUILD_EXIT_CODE_FILE;
  if (file) replaceFile(file, Buffer.from(String(exitCode)));
  return statusIn('BUILD_FAILURE_EXIT_CODE', context) ?? localStatus(exitCode);
}

function statusIn(variable: string, { terminal }: Context): number | undefined {
  const text = terminal.environment[variable] ?? '';
  return /^[0-9]{1,3}$/.test(text) && Number(text) > 0 ? Number(text) : undefined;
}

function jobId({ terminal }: Context): string {
  const id = terminal.environment[jobVariable] ?? '';
  if (isSessionId(id)) return id;
  throw new GomoteError('ERR_USAGE', `${jobVariable} is not set`, {
    hint: 'let config_exec be gomote, and config_args ["ci", "gitlab", "config"]',
  });
}

function typeOf({ type, allow }: GitlabOptions, { terminal }: Context): string {
  const asked = terminal.environment.CUSTOM_ENV_GOMOTE_TYPE;
  if (asked && asked !== type && !allow.includes(asked)) {
    throw new GomoteError('ERR_USAGE', `jobs may not have machines of type "${asked}"`, {
      hint: `add --allow ${asked} to prepare_args`,
    });
  }
  const wanted = asked || type;
  if (wanted !== undefined) return wanted;
  throw new GomoteError('ERR_USAGE', 'there is no type', {
    hint: 'add --type TYPE to prepare_args',
  });
}

function recordOf(id: string, { terminal }: Context): string {
  const state = userDirectory(terminal.environment, 'XDG_STATE_HOME', '.local', 'state');
  const directory = join(state, 'gomote-ci');
  makePrivateDirectory(directory, 'the directory of CI jobs');
  return join(directory, id);
}

const machineOf = (id: string, context: Context): string | undefined =>
  ifThere(() => readFileSync(recordOf(id, context)).toString());

async function destroy(id: string, context: Context): Promise<void> {
  const name = machineOf(id, context);
  if (name === undefined) return;
  try {
    // Of a machine that many share, /tmp stays.
    await context
      .withBuildlet(name, (buildlet) =>
        Promise.resolve(
          buildlet.run('rm', ['-rf', '--', directoryOf(id)], {
            ...{ dir: '.', signal: timeoutSignal(removalMs) },
          }),
        ),
      )
      .catch(() => undefined);
    await context.gomote.destroy(name, { signal: timeoutSignal(destroyMs) });
  } catch (error) {
    // The buildlet may have expired.
    if (!isGomoteError(error, 'ERR_UNKNOWN_BUILDLET')) throw error;
  }
}
