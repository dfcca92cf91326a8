// What `gomote run` does after the command has ended, whether or not it failed: fetch files and read reports.
import { join } from 'node:path';
import { isGomoteError, messageOf } from '../../errors.ts';
import { currentDirectory } from '../../files/named-fs.ts';
import { writeWhole } from '../../gomote/local-files.ts';
import { exitCodes } from '../exit-codes.ts';
import { fileOfName } from '../file-of-name.ts';
import type { Passed } from '../terminal/progress.ts';
import { MissingFiles } from '../transfer/missing-files.ts';
import { reported, watched } from '../transfer/transfer-report.ts';
import type { Run } from './run.ts';
import { runIntoFile } from './run-into-file.ts';

/** Runs the command, then does what the options ask for. Returns gomote's exit status. */
export async function runAndFinish(
  run: Run,
  runAll: (run: Run) => Promise<number>,
): Promise<number> {
  if (!run.options.collect) return await finishedAfter(run, () => runAll(run));
  const { name } = run.command;
  const path = join(currentDirectory(), `${fileOfName(name)}.stdout`);
  return await finishedAfter(run, () => runIntoFile(run, path, runAll));
}

async function finishedAfter(run: Run, runAll: () => Promise<number>): Promise<number> {
  let code: number;
  try {
    code = await runAll();
  } catch (error) {
    // After a time-out there may be files to fetch; after any other failure that is unknown.
    if (isGomoteError(error, 'ERR_TIMEOUT') && run.record.received === undefined)
      sayAll(run, (await resultsOf(run)).failures);
    throw error;
  }
  if (run.record.received !== undefined) return code;
  const { failures, status } = await resultsOf(run);
  const [first, ...others] = failures;
  if (first === undefined) return code || status;
  if (code !== 0) {
    sayAll(run, failures);
    return code;
  }
  sayAll(run, others);
  run.record.origin = 'after';
  throw first;
}

const sayAll = ({ context }: Run, failures: readonly unknown[]): void => {
  for (const failure of failures) context.messages.remark(messageOf(failure));
};

interface Results {
  /** The exit status that the options ask for when nothing else failed. */
  status: number;
  readonly failures: unknown[];
}

async function resultsOf(run: Run): Promise<Results> {
  const { collect, get = [], require = [], junit = [] } = run.options;
  const steps: ((run: Run) => Promise<number | undefined>)[] = [];
  if (collect) steps.push(async () => void (await collectTree(run)));
  if (get.length + require.length > 0) steps.push(async () => void (await fetchFiles(run)));
  if (junit.length > 0)
    steps.push(async () => await (await import('./junit.ts')).mergeReports(run));
  const results: Results = { status: 0, failures: [] };
  const { failures } = results;
  for (const step of steps) {
    try {
      const status = await step(run);
      results.status ||= status ?? 0;
    } catch (error) {
      run.context.signal.throwIfAborted();
      // The command itself has ended, with a known status.
      if (error instanceof MissingFiles) {
        sayAll(run, [error]);
        results.status ||= exitCodes.failed;
      } else failures.push(error);
    }
  }
  return results;
}

/** Fetches into the current directory what the patterns match; of several buildlets, into one for each. */
async function fetchFiles({ buildlet, dir, options, context }: Run): Promise<void> {
  const { get = [], require = [] } = options;
  const into = join(currentDirectory(), context.ownName ?? '');
  const { fetchMatching } = await import('../transfer/fetch-matching.ts');
  await fetchMatching(buildlet, { dir: dir || '.', into, get, require }, context);
}

/** Writes NAME.tar.gz, which gets its name only when it is complete. Throws when the archive is incomplete. */
async function collectTree({ buildlet, command, context }: Run): Promise<void> {
  const { client } = buildlet;
  const { signal } = context;
  const file = `${fileOfName(command.name)}.tar.gz`;
  const what = `work dir tarball for "${command.name}" to "${file}"`;
  context.messages.say(`# Downloading ${what}...`);
  const passed: Passed = { bytes: 0 };
  await reported(context, { json: false, passed }, async () => {
    const download = await client.download('', { compress: 'gzip', isPartial: true, signal });
    await writeWhole(join(currentDirectory(), file), watched(download.body, passed));
    return download.summary();
  });
}
