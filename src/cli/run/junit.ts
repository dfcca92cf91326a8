// The JUnit reports that a run has written: fetched, merged into one file here, and summarized.
import { resolve } from 'node:path';
import { GomoteError, messageOf } from '../../errors.ts';
import { collected } from '../../files/collected.ts';
import { currentDirectory } from '../../files/named-fs.ts';
import { writeWhole } from '../../gomote/local-files.ts';
import { onPath } from '../../gomote/remote-path.ts';
import { plural } from '../../plural.ts';
import { requestedEntries } from '../../sync/pull/requested-entries.ts';
import { withRemoteTree } from '../../sync/remote/open.ts';
import { exitCodes } from '../exit-codes.ts';
import { type JUnitReport, parseJUnitReport } from '../junit/junit-report.ts';
import { type MachineReports, mergedXml, summaryLines, totalOf } from '../junit/merged-reports.ts';
import type { SharedEnding } from '../shared-ending.ts';
import type { Messages } from '../terminal/terminal.ts';
import type { Run } from './run.ts';
import { defaultReport, type RunOptions } from './run-options.ts';

/** The size limits of one report, and of all reports of one machine, in bytes. */
const reportBytes = 32 << 20;
const machineBytes = 128 << 20;

/** Fetches the reports and prints the summary. Returns the exit status that they ask for. Throws when a report could not be read. */
export async function mergeReports(run: Run): Promise<number> {
  const { machine, odd } = await readReports(run);
  const failure = odd.length === 0 ? undefined : oddReports(run.command.name, odd);
  const { sharedEnding: ending } = run.context;
  if (ending !== undefined) gather(machine, ending, run.options);
  const code =
    ending === undefined ? await tellReports([machine], run.options, run.context.messages) : 0;
  if (code !== 0) run.record.origin = 'tests';
  if (failure !== undefined) throw failure;
  return code;
}

const gathered = new WeakMap<SharedEnding, MachineReports[]>();

/** Keeps the reports of one machine until all have ended. */
function gather(machine: MachineReports, ending: SharedEnding, options: RunOptions): void {
  const known = gathered.get(ending);
  if (known !== undefined) return void known.push(machine);
  const all = [machine];
  gathered.set(ending, all);
  ending.add((messages) => {
    const sorted = all.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return tellReports(sorted, options, messages);
  });
}

/** Writes the reports of all machines into one file and prints the summary. Returns the exit status that they ask for. */
async function tellReports(
  machines: readonly MachineReports[],
  options: RunOptions,
  messages: Messages,
): Promise<number> {
  if (machines.every(({ reports }) => reports.length === 0)) return 0;
  const file = options.junitOutput ?? defaultReport;
  const bytes = async function* () {
    for (const part of mergedXml(machines)) yield Buffer.from(part);
  };
  await writeWhole(resolve(currentDirectory(), file), bytes());
  const { tests, failures, errors } = totalOf(machines);
  messages.say(summaryLines(machines));
  messages.remark(`wrote ${plural(tests, 'test')} to ${file}`);
  return failures + errors > 0 && options.failOnTestFailures ? exitCodes.failed : 0;
}

interface OddReport {
  readonly path: string;
  readonly why: string;
}

/** The reports of one machine, and the files that are not reports. */
async function readReports({ buildlet, command, dir, options, context }: Run): Promise<{
  machine: MachineReports;
  odd: readonly OddReport[];
}> {
  const { client } = buildlet;
  const { signal } = context;
  const { name } = command;
  const only = options.junit ?? [];
  const remoteOptions = {
    dir: dir || '.',
    signal,
    compress: 'auto',
    onWire: () => undefined,
  } as const;
  const { asked, matched = [] } = await onPath(name, dir, () =>
    withRemoteTree(client, remoteOptions, (remote) => requestedEntries(remote, { only })),
  );
  const wanted = new Set(matched);
  const files = asked.filter(({ path, kind }) => kind === 'file' && wanted.has(path));
  if (files.length === 0) {
    throw new GomoteError(
      'ERR_NO_SUCH_FILE',
      `${name}: no report matches ${only.map((glob) => `"${glob}"`).join(', ')}`,
      { hint: `patterns are as in a .gitignore, from ${dir || 'the work directory'}` },
    );
  }
  const reports: JUnitReport[] = [];
  const odd: OddReport[] = [];
  let leftBytes = machineBytes;
  for (const { path } of files) {
    try {
      const { body } = await client.files.get(dir === '' ? path : `${dir}/${path}`, { signal });
      const bytes = await collected(body, Math.min(reportBytes, leftBytes), tooLarge);
      leftBytes -= bytes.length;
      reports.push(await parseJUnitReport(textOf(bytes)));
    } catch (error) {
      signal.throwIfAborted();
      odd.push({ path, why: messageOf(error) });
    }
  }
  return { machine: { name, reports }, odd };
}

const tooLarge = () => new GomoteError('ERR_REPLY', 'it is too large');

/** Decodes the report by the encoding that it declares. */
function textOf(bytes: Buffer): string {
  const head = bytes.toString('latin1', 0, 200);
  const label = /^<\?xml[^>]*\sencoding=["']([A-Za-z0-9._-]{1,40})["']/.exec(head)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch (error) {
    throw new GomoteError('ERR_REPLY', `it is not text in ${label}`, { cause: error });
  }
}

function oddReports(name: string, odd: readonly OddReport[]): GomoteError {
  const words = odd.slice(0, 5).map(({ path, why }) => `${path}: ${why}`);
  const more = odd.length > words.length ? ` and ${odd.length - words.length} more` : '';
  return new GomoteError('ERR_REPLY', `${name}: no JUnit report: ${words.join('; ')}${more}`, {
    hint: 'all others were read',
  });
}
