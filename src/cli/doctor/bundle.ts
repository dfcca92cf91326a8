// What gomote doctor prints about a failure bundle. The bundle is not trusted: its text is printed with escaped control characters.
import { readBundle } from '../../gomote/failure/read-bundle.ts';
import type { FailureReport } from '../../gomote/failure/report.ts';
import { shortDuration } from '../../gomote/run/ending.ts';
import { printable } from '../../printable.ts';
import { usageLine } from '../run/run-usage.ts';
import { shellLine } from '../run/shell-words.ts';
import { print, printJson, type Terminal } from '../terminal/terminal.ts';

const shownLines = 20;

/** Reads and checks it; throws what is wrong with it. */
export async function printBundle(
  file: string,
  { json }: { json?: boolean },
  terminal: Terminal,
): Promise<void> {
  const { report, outputEnd } = await readBundle(file);
  if (json) return await printJson(terminal, report, 2);
  const rows = rowsOf(report).map(([title, text]) => `${title.padEnd(12)} ${text}`);
  const lines = outputEnd.split('\n').slice(-shownLines - 1, -1);
  const text = [...rows, '', ...lines].map((line) => `${printable(line)}\n`);
  await print(terminal, text.join(''));
}

function rowsOf(report: FailureReport): [title: string, text: string][] {
  const { run, error, exitCode, buildlet, client, output, tree } = report;
  const { stdout, stderr } = output;
  const limits: [string, number | null][] = [
    ['--timeout', run.timeoutMs],
    ['--idle-timeout', run.idleTimeoutMs],
  ];
  const given = limits.flatMap(([option, ms]) =>
    ms === null ? [] : `${option} ${shortDuration(ms)}`,
  );
  const confined = buildlet.limits.map(({ resource, limit }) => `${resource} ${limit}`);
  const rows: [string, string | undefined][] = [
    ['written', report.written],
    ['command', shellLine(run.command)],
    ['ended', howEnded(report)],
    ['error', error === null ? undefined : `${error.message} (${error.code})`],
    ['status', exitCode === null ? undefined : String(exitCode)],
    ['run', run.id ?? undefined],
    ['directory', run.directory],
    ['variables', run.environment.join(' ') || undefined],
    ['used', run.end === null ? undefined : usageLine(run.end)],
    ['limits', [...given, ...confined].join(', ') || undefined],
    ['output', `${sizeText('stdout', stdout)}, ${sizeText('stderr', stderr)}`],
    ['tree', tree === null ? undefined : `${tree.sha256} in ${tree.directory}`],
    ['buildlet', buildlet.name],
    ['there', softwareText(buildlet.software)],
    ['here', softwareText(client)],
  ];
  return rows.flatMap(([title, text]) => (text === undefined ? [] : [[title, text]]));
}

function howEnded({ outcome, run: { end } }: FailureReport): string {
  if (outcome === 'unknown') return 'nobody knows how: the outcome is unknown';
  if (end === null) return 'its buildlet tells only the status';
  return `${end.state} (${end.why})`;
}

const sizeText = (
  name: string,
  { bytes, keptBytes }: { readonly bytes: number; readonly keptBytes: number },
): string =>
  bytes === keptBytes
    ? `${name} ${bytes} bytes`
    : `${name} ${bytes} bytes, of which ${keptBytes} are in the bundle`;

const softwareText = (software: FailureReport['buildlet']['software']): string | undefined =>
  software === null
    ? undefined
    : `gomote ${software.gomote}, Node ${software.node}, ${software.system}`;
