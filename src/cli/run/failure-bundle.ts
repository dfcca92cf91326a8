// --bundle-on-failure: what there is to know of a run that failed, in one file.
import { messageOf } from '../../errors.ts';
import { OutputRecorder } from '../../gomote/failure/recorder.ts';
import { writeBundle } from '../../gomote/failure/write-bundle.ts';
import { runFailureCode } from '../exit-codes.ts';
import { placeForBuildlet } from '../transfer/place-for-buildlet.ts';
import type { Run } from './run.ts';
import { shellLine } from './shell-words.ts';

/** Runs it, and writes the file when the status is not 0; the status stays what it is. */
export async function runWithBundle(
  run: Run,
  target: string,
  runAll: (run: Run) => Promise<number>,
): Promise<number> {
  const recorder = new OutputRecorder();
  const write = async (exitCode: number, error?: unknown) => {
    const { buildlet, command, context, record } = run;
    const { request, id, end } = record;
    // Nothing was asked of the buildlet.
    if (request === undefined) return;
    try {
      const file = placeForBuildlet(target, context);
      const known = { client: buildlet.client, name: command.name, id, request, end, recorder };
      await writeBundle(file, { ...known, error, exitCode }, context.signal);
      context.messages.say(`# wrote ${file}; look at it: gomote doctor ${shellLine([file])}`);
    } catch (failure) {
      context.messages.say(`gomote: ${messageOf(failure)}`);
    }
  };
  let code: number;
  try {
    code = await runAll({ ...run, recorder });
  } catch (error) {
    await write(runFailureCode(error), error);
    throw error;
  }
  if (code !== 0) await write(code);
  return code;
}
