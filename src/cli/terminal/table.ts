// Tables: aligned columns on a terminal, tab-separated values for programs.
import { printable } from '../../printable.ts';
import type { Terminal } from './terminal.ts';

/** The maximum width to align to: a wider cell does not widen the column in the other rows. */
const widestCell = 60;

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => string;
  /** Whether the column is left out for programs, which count columns. */
  readonly isForPeople?: boolean;
}

/** One line per row: with a header and ages on a terminal, only tab-separated values for programs. */
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
 * Formats the rows as lines. On a terminal, cells other than the last are padded to the width of their column, and control
 * characters are escaped.
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
