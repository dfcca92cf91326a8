// Rows of text: in columns for people at a terminal, with tabs between for programs.
import { printable } from '../../printable.ts';
import type { Terminal } from './terminal.ts';

/** A wider cell does not push the columns of all other rows to the right. */
const widestCell = 60;

/** A column of a table. */
export interface Column<T> {
  /** What stands above it on a terminal. */
  readonly title: string;
  readonly cell: (row: T) => string;
  /** Whether programs, which count columns, do not get it. */
  readonly isForPeople?: boolean;
}

/** One line a row: for people with a header and ages, for programs with tabs and nothing else. */
export function formatColumns<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  terminal: Terminal,
): string {
  const isShown = terminal.stdout.isTTY === true;
  if (isShown && rows.length === 0) return '';
  const shown = columns.filter(({ isForPeople }) => isShown || isForPeople !== true);
  const header = isShown ? [shown.map(({ title }) => title)] : [];
  const cells = rows.map((row) => shown.map(({ cell }) => cell(row)));
  return formatTable([...header, ...cells], terminal);
}

/**
 * The rows as lines; on a terminal all cells but the last are as wide as their column's widest, and hold nothing that
 * it would obey.
 */
export function formatTable(cells: readonly (readonly string[])[], { stdout }: Terminal): string {
  if (stdout.isTTY !== true) return cells.map((row) => `${row.join('\t')}\n`).join('');
  const rows = cells.map((row) => row.map((cell) => printable(cell)));
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      if (cell.length <= widestCell) widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  ');
  return rows.map((row) => `${line(row)}\n`).join('');
}
