// A run whose output is also written to a file, with the message of Go's gomote.
import { OutputFile } from './output-file.ts';
import type { Run } from './run.ts';

/** Runs the command. Throws ERR_LOCAL_FILE, before it is started, when the file cannot be written. */
export async function runIntoFile(
  run: Run,
  path: string,
  runAll: (run: Run) => Promise<number>,
): Promise<number> {
  const { messages } = run.context;
  const { name } = run.command;
  const output = await OutputFile.create(path);
  messages.say(`# Streaming results from "${name}" to "${path}"...`);
  try {
    return await runAll({ ...run, output });
  } finally {
    await output.close();
    messages.say(`# Wrote results from "${name}" to "${path}".`);
  }
}
