// Makes new buildlets ready for work on Go itself, as `create -setup` of Go's gomote does: GOROOT is pushed, and built there.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { GomoteError, messageOf } from '../errors.ts';
import { existsSync } from '../files/named-fs.ts';
import { temporaryDirectory } from '../files/user-directories.ts';
import { pushPlace } from '../gomote/push-place.ts';
import { startDirectory } from '../gomote/run/pushed-directory.ts';
import { goRoots, pushGo } from './commands/push.ts';
import type { Context } from './context.ts';
import { fanOut } from './fan-out/fan-out.ts';
import { fileOfName } from './file-of-name.ts';
import { runOn } from './run/run-command.ts';
import { runIntoFile } from './run/run-into-file.ts';
import type { RunRecord } from './run/run-report.ts';
import type { Terminal } from './terminal/terminal.ts';

interface GoTree {
  readonly top: string;
  readonly build: string;
}

/** The tree of Go here. Throws ERR_LOCAL_FILE when there is none that can be built. */
export async function findGoTree(type: string, { terminal }: Context): Promise<GoTree> {
  const { goDir, goRoot } = await goRoots();
  const { top } = pushPlace(await goRoot(terminal.environment), goDir);
  const build = type.includes('windows') ? 'src/make.bat' : 'src/make.bash';
  if (existsSync(join(top, build))) return { top, build: `${goDir}/${build}` };
  throw new GomoteError(
    'ERR_LOCAL_FILE',
    `"${top}" is not a source tree of Go: it has no ${build}`,
    {
      hint: 'set GOROOT to one',
    },
  );
}

/**
 * Pushes and builds the tree on all of them at once. Their names are printed already, so they are kept even when that fails.
 * The output goes to files as well.
 */
export async function setupGo(
  names: readonly string[],
  tree: GoTree,
  output: Terminal['stdout'],
  context: Context,
): Promise<void> {
  const { terminal } = context;
  const directory = makeDirectory(terminal.environment);
  const shown = context.withTerminal({
    stdout: { value: output },
    // Standard input is for whatever runs after gomote.
    input: { value: 'nothing' },
    isOutputShared: { value: output === terminal.stderr },
  });
  const work = async (name: string, one: Context) => {
    one.exitCode = await setupOne(name, tree, directory, one);
  };
  const [only = '', ...others] = names;
  if (others.length === 0) await work(only, shown);
  else shown.exitCode = await fanOut(names, work, {}, shown);
  context.exitCode = shown.exitCode;
}

async function setupOne(
  name: string,
  { top, build: cmd }: GoTree,
  directory: string,
  context: Context,
): Promise<number> {
  context.messages.say(`# Pushing GOROOT "${top}" to "${name}"...`);
  await pushGo([name], top, context);
  const record: RunRecord = { startedAtMs: Date.now(), id: null };
  const path = join(directory, `${fileOfName(name)}.stdout`);
  const code = await context.withBuildlet(name, async (buildlet) => {
    const command = { name, cmd, args: [] };
    const run = { buildlet, command, dir: startDirectory(cmd, undefined), options: {} };
    return await runIntoFile({ ...run, context, record }, path, runOn);
  });
  if (code === 0 || record.received !== undefined) return code;
  throw new GomoteError('ERR_SETUP', `${cmd} failed on ${name}: exit status ${code}`, {
    hint: `correct it and run gomote push --go ${name} && gomote run ${name} ${cmd}, or gomote destroy ${name}`,
  });
}

function makeDirectory(environment: NodeJS.ProcessEnv): string {
  const temporary = temporaryDirectory(environment);
  try {
    return mkdtempSync(join(temporary, 'gomote'));
  } catch (error) {
    throw new GomoteError(
      'ERR_LOCAL_FILE',
      `cannot make a directory for the output: ${messageOf(error)}`,
      {
        hint: 'make room there, or set TMPDIR',
        cause: error,
      },
    );
  }
}
