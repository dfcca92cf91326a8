// --on-failure: what is done where a command has failed.
import { messageOf } from '../../errors.ts';
import { loginShell } from '../../gomote/run/login-shell.ts';
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

/** Runs it, and does what --on-failure says when the command has failed. A failure of gomote itself tells nothing of the command. */
export async function runWithOnFailure(
  run: Run,
  runOn: (run: Run) => Promise<number>,
): Promise<number> {
  const { record, context } = run;
  const act = async () => {
    if (record.received === undefined && !context.signal.aborted) await actOnFailure(run, runOn);
  };
  let code: number;
  try {
    code = await runOn(run);
  } catch (error) {
    if (record.end !== undefined) await act();
    throw error;
  }
  if (code !== 0) await act();
  return code;
}

/** Opens a shell where the command ran, and waits until its user leaves it, or says how to continue. */
async function actOnFailure(run: Run, runOn: (run: Run) => Promise<number>): Promise<void> {
  const { command, context, options, dir } = run;
  const { messages, terminal } = context;
  const name = shellLine([command.name]);
  if (options.onFailure === 'keep') {
    messages.say(`gomote: ${name} is as the command has left it`);
    messages.say(`# look: gomote shell ${name}`);
    messages.say(
      `# again: ${shellLine(['gomote', 'run', command.name, command.cmd, ...command.args])}`,
    );
    return messages.say(`# end it: gomote destroy ${name}`);
  }
  if (terminal.input !== 'terminal' || context.ownName !== undefined)
    return messages.say('gomote: there is no terminal here to open a shell on');
  messages.say(`# the command failed; a shell on ${name} where it ran, until you leave it`);
  const shell = { name: command.name, ...loginShell('') };
  const record = { startMs: Date.now(), id: null };
  await runOn({ ...run, command: shell, dir, options: shellOptions(options), record }).catch(
    (error) => messages.say(`gomote: ${messageOf(error)}`),
  );
}
