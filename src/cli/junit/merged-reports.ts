// Merges JUnit reports of several files, machines and shards, and summarizes them.
import { plural } from '../../plural.ts';
import { printable } from '../../printable.ts';
import { attribute, type JUnitReport, type SuiteResult } from './junit-report.ts';

export interface MachineReports {
  readonly name: string;
  readonly reports: readonly JUnitReport[];
}

type Counts = Pick<SuiteResult, 'tests' | 'failures' | 'errors' | 'skipped' | 'seconds'>;

interface Row extends SuiteResult {
  readonly machine: string;
}

/** The maximum number of suites and of failed tests in the summary. */
const shownSuites = 20;
const shownTests = 20;

const longestName = 50;

function rowsOf(machines: readonly MachineReports[]): Row[] {
  return machines.flatMap(({ name, reports }) =>
    reports.flatMap(({ suites }) => suites.map((suite) => ({ ...suite, machine: name }))),
  );
}

export function totalOf(machines: readonly MachineReports[]): Counts {
  const total = { tests: 0, failures: 0, errors: 0, skipped: 0, seconds: 0 };
  for (const row of rowsOf(machines)) {
    total.tests += row.tests;
    total.failures += row.failures;
    total.errors += row.errors;
    total.skipped += row.skipped;
    total.seconds += row.seconds;
  }
  return total;
}

/** Merges all reports into one. With several machines, each has an element of its own. */
export function* mergedXml(machines: readonly MachineReports[]): Generator<string> {
  yield `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites${countsOf(totalOf(machines))}>\n`;
  for (const one of machines) {
    const isOne = machines.length === 1;
    // Readers of reports accept nested suites.
    const name = attribute(['name', one.name]) + attribute(['hostname', one.name]);
    if (!isOne) yield `<testsuite${name}${countsOf(totalOf([one]))}>\n`;
    for (const { xml } of one.reports) yield xml;
    if (!isOne) yield '</testsuite>\n';
  }
  yield '</testsuites>\n';
}

const countsOf = ({ tests, failures, errors, skipped, seconds }: Counts): string =>
  Object.entries({ tests, failures, errors, skipped, time: seconds.toFixed(3) })
    .map(([name, value]) => attribute([name, String(value)]))
    .join('');

/** A table of the suites, those with failures first, and the failed tests. */
export function summaryLines(machines: readonly MachineReports[]): string[] {
  const rows = rowsOf(machines).sort((a, b) => troubleOf(b) - troubleOf(a));
  const isOne = machines.length === 1;
  const cellsOf = (machine: string, name: string, row: Counts): string[] => [
    ...(isOne ? [] : [machine]),
    shortened(name),
    ...[row.tests, row.failures, row.errors, row.skipped].map(String),
    `${row.seconds.toFixed(2)}s`,
  ];
  const shown = rows.slice(0, shownSuites);
  const table = [
    [...(isOne ? [] : ['MACHINE']), 'SUITE', 'TESTS', 'FAILED', 'ERRORS', 'SKIPPED', 'TIME'],
    ...shown.map((row) => cellsOf(row.machine, row.name, row)),
    cellsOf('', `total of ${plural(rows.length, 'suite')}`, totalOf(machines)),
  ];
  const hidden = rows.length - shown.length;
  if (hidden > 0) table.splice(-1, 0, [`(and ${hidden} more)`]);
  return [...aligned(table, isOne ? 1 : 2), ...failureLines(rows, isOne)];
}

const troubleOf = ({ failures, errors }: Counts): number => failures + errors;

function failureLines(rows: readonly Row[], isOne: boolean): string[] {
  const failed = rows.flatMap((row) => row.failed.map((test) => ({ ...test, row })));
  const lines = failed.slice(0, shownTests).map(({ name, kind, message, row }) => {
    const where = isOne ? '' : `${row.machine}: `;
    return printable(`${kind}: ${where}${name}${message === '' ? '' : `: ${message}`}`);
  });
  const count = rows.reduce((sum, row) => sum + troubleOf(row), 0);
  return count > lines.length ? [...lines, `and ${count - lines.length} more`] : lines;
}

const shortened = (name: string): string => {
  const text = printable(name);
  return text.length > longestName ? `…${text.slice(1 - longestName)}` : text;
};

function aligned(table: readonly (readonly string[])[], names: number): string[] {
  const widths: number[] = [];
  for (const row of table) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return table.map((row) =>
    row
      .map((cell, i) => (i < names ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
