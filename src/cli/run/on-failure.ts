// --on-failure and --bundle-on-failure: what is done when a command has failed.
import { messageOf } from '../../errors.ts';
import { OutputRecorder } from '../../gomote/failure/recorder.ts';
import { loginShell } from '../../gomote/run/login-shell.ts';
import { runFailureCode } from '../exit-codes.ts';
import { placeForBuildlet } from '../transfer/place-for-buildlet.ts';
import type { Run } from './run.ts';
import type { RunOptions } from './run-options.ts';
import { shellLine } from './shell-words.ts';

/** What a shell has in common with the command that failed. */
const kept = ['env', 'envFile', 'path', 'firewall', 'builderenv', 'reconnect'] as const;

/** The options of a shell with the environment of a command that had these. */
export const shellOptions = (options: RunOptions): RunOptions => ({
  ...Object.fromEntries(
    kept.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])),
  ),
  ...{ interactive: true, system: true },
});

/** Runs it, and acts when it has failed, with the exit status of gomote. */
async function actingOnFailure(
  work: () => Promise<number>,
  act: (exitCode: number, error?: unknown) => Promise<void>,
): Promise<number> {
  let code: number;
  try {
    code = await work();
  } catch (error) {
    await act(runFailureCode(error), error);
    throw error;
  }
  if (code !== 0) await act(code);
  return code;
}

/** Runs it, and writes a bundle of what there is to know when it failed. */
export async function runWithBundle(
  run: Run,
  target: string,
  runAll: (run: Run) => Promise<number>,
): Promise<number> {
  const recorder = new OutputRecorder();
  const work = () => runAll({ ...run, recorder });
  return await actingOnFailure(work, async (exitCode, error) => {
    const { buildlet, command, context, record } = run;
    const { request, id, end } = record;
    // Nothing was asked of the buildlet.
    if (request === undefined) return;
    try {
      const file = placeForBuildlet(target, context);
      const known = { client: buildlet.client, name: command.name, id, request, end, recorder };
      const { writeBundle } = await import('../../gomote/failure/write-bundle.ts');
      await writeBundle(file, { ...known, error, exitCode }, context.signal);
      context.messages.say(`# wrote ${file}; look at it: gomote doctor ${shellLine([file])}`);
    } catch (failure) {
      context.messages.remark(messageOf(failure));
    }
  });
}

/** Runs it, and does what --on-failure says. A failure of gomote itself tells nothing of the command. */
export async function runWithOnFailure(
  run: Run,
  runOn: (run: Run) => Promise<number>,
): Promise<number> {
  const { record, context } = run;
  return await actingOnFailure(
    () => runOn(run),
    async (_exitCode, error) => {
      const isKnown = error === undefined || record.end !== undefined;
      if (!isKnown || record.received !== undefined || context.signal.aborted) return;
      await actOnFailure(run, runOn);
    },
  );
}

/** Opens a shell where the command ran, and waits until its user leaves it, or says how to continue. */
async function actOnFailure(run: Run, runOn: (run: Run) => Promise<number>): Promise<void> {
  const { command, context, options, dir } = run;
  const { messages, terminal } = context;
  const name = shellLine([command.name]);
  if (options.onFailure === 'keep') {
    messages.remark(`${name} is as the command has left it`);
    messages.say(`# look: gomote shell ${name}`);
    messages.say(
      `# again: ${shellLine(['gomote', 'run', command.name, command.cmd, ...command.args])}`,
    );
    return messages.say(`# end it: gomote destroy ${name}`);
  }
  if (terminal.input !== 'terminal' || context.ownName !== undefined)
    return messages.remark('there is no terminal here to open a shell on');
  messages.say(`# the command failed; a shell on ${name} where it ran, until you leave it`);
  const shell = { name: command.name, ...loginShell('') };
  const record = { startedAtMs: Date.now(), id: null };
  await runOn({ ...run, command: shell, dir, options: shellOptions(options), record }).catch(
    (error) => messages.remark(messageOf(error)),
  );
}
