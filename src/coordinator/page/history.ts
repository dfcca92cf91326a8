// What became of buildlets and their runs, for a configured time: taken off the audit trail as it is written, kept in memory
// and in one file.
import { appendFile, readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { errnoOf, messageOf } from '../../errors.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { printable } from '../../printable.ts';
import { parseJson } from '../../protocol/reply-fields.ts';
import type { Log, LogFields } from '../log.ts';

const text = v.pipe(v.string(), v.maxLength(2_000));
const number = v.pipe(v.number(), v.finite());

/** What is kept of a row of the trail. */
const rowSchema = v.object({
  atMs: number,
  event: v.picklist([
    ...(['create', 'exec', 'exec-end', 'transfer', 'extend', 'cancel', 'died', 'destroy'] as const),
  ]),
  name: text,
  owner: text,
  by: v.optional(text),
  hostType: v.optional(text),
  /** Of a run: its id, its command, and how it ended. */
  run: v.optional(text),
  command: v.optional(text),
  outcome: v.optional(text),
  code: v.optional(number),
  signal: v.optional(text),
  durationMs: v.optional(number),
  /** Of a transfer. */
  direction: v.optional(text),
  path: v.optional(text),
  bytes: v.optional(number),
  /** Until when a buildlet was extended; why it ended; how long it was there. */
  expires: v.optional(text),
  why: v.optional(text),
  reason: v.optional(text),
  hadMs: v.optional(number),
});

export type HistoryRow = Readonly<v.InferOutput<typeof rowSchema>>;

/** One buildlet, with what was done to it in the order it was. */
export interface HistoryEntry {
  readonly name: string;
  readonly owner: string;
  readonly rows: HistoryRow[];
  /** The row that tells how it ended. */
  end: HistoryRow | undefined;
}

interface HistoryOptions {
  readonly path: string;
  /** How long what has ended is known, in ms; 0: not at all. */
  readonly keepMs: number;
  readonly onTrouble: (what: string) => void;
}

/** How many rows are kept, of all and of one buildlet; of more, the oldest go. */
const rowLimit = 20_000;
const buildletLimit = 500;

/** How often rows are written, and how often the file is written again without what is too old, in ms. */
const writeMs = 1_000;
const renewMs = 3_600_000;

export class History implements Log {
  readonly #options: HistoryOptions;
  /** By name, the one that was made last at the end. */
  readonly #entries = new Map<string, HistoryEntry>();
  #timer: NodeJS.Timeout | undefined;
  #count = 0;
  #pending: HistoryRow[] = [];
  /** Whether the file lacks something that is not pending, or has what is too old. */
  #mustRenew = true;
  #renewedAtMs = performance.now();
  #writing: Promise<void> = Promise.resolve();
  #isBroken = false;

  private constructor(options: HistoryOptions) {
    this.#options = options;
  }

  static async open(options: HistoryOptions): Promise<History> {
    const history = await History.read(options);
    history.#timer = setInterval(() => void history.flush(), writeMs).unref();
    return history;
  }

  /** One that only tells what is in the file. */
  static async read(options: HistoryOptions): Promise<History> {
    const history = new History(options);
    try {
      for (const line of (await readFile(options.path, 'utf8')).split('\n')) {
        const { success, output } = v.safeParse(rowSchema, parseJson(line));
        if (success) history.#take(output);
      }
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') {
        options.onTrouble(`${options.path} is left out: ${messageOf(error)}`);
      }
    }
    return history;
  }

  /** Takes a row of the audit trail. */
  write(event: string, fields: LogFields = {}): void {
    if (this.#options.keepMs === 0) return;
    if (event === 'create' && fields.outcome !== 'ok') return;
    const shown = Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? printable(value, { maxLength: 500 }) : value,
    ]);
    const row = { ...Object.fromEntries(shown), atMs: Date.now(), event };
    const { success, output } = v.safeParse(rowSchema, row);
    if (!success) return;
    this.#take(output);
    this.#pending.push(output);
  }

  #take(row: HistoryRow): void {
    const { name, owner, event } = row;
    let entry = this.#entries.get(name);
    if (entry === undefined || event === 'create') {
      // A reused name is another buildlet.
      if (entry !== undefined) this.#remove(entry);
      entry = { name, owner, rows: [], end: undefined };
      this.#entries.set(name, entry);
    }
    entry.rows.push(row);
    this.#count++;
    if (event === 'destroy' || (event === 'died' && entry.end === undefined)) entry.end = row;
    if (entry.rows.length > buildletLimit) {
      // How it began stays.
      entry.rows.splice(1, 1);
      this.#count--;
    }
    while (this.#count > rowLimit) this.#removeOne();
  }

  /** The oldest row of the user who has the most, so that no user evicts the rows of another. */
  #removeOne(): void {
    const counts = new Map<string, number>();
    for (const { owner, rows } of this.#entries.values()) {
      counts.set(owner, (counts.get(owner) ?? 0) + rows.length);
    }
    const [most] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [];
    const oldest = [...this.#entries.values()].find(({ owner }) => owner === most);
    if (oldest !== undefined) this.#remove(oldest);
  }

  #remove(entry: HistoryEntry): void {
    this.#count -= entry.rows.length;
    this.#entries.delete(entry.name);
    this.#mustRenew = true;
  }

  #forgetOld(): void {
    const sinceMs = Date.now() - this.#options.keepMs;
    for (const entry of [...this.#entries.values()]) {
      // A longer run is known as long as it is active.
      if ((entry.rows.at(-1)?.atMs ?? 0) < sinceMs) this.#remove(entry);
    }
  }

  get(name: string): HistoryEntry | undefined {
    return this.#entries.get(name);
  }

  all(): HistoryEntry[] {
    return [...this.#entries.values()];
  }

  /** Resolves when all is written, or cannot be. */
  async flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#flush());
    await this.#writing;
  }

  async #flush(): Promise<void> {
    const { path, keepMs, onTrouble } = this.#options;
    if (performance.now() - this.#renewedAtMs > renewMs) this.#mustRenew = true;
    const pending = this.#pending;
    if (!this.#mustRenew && pending.length === 0) return;
    this.#pending = [];
    try {
      if (this.#mustRenew) {
        this.#forgetOld();
        this.#mustRenew = false;
        this.#renewedAtMs = performance.now();
        const rows = keepMs === 0 ? [] : this.all().flatMap((entry) => entry.rows);
        await writeWhole(path, lines(rows.sort((a, b) => a.atMs - b.atMs)));
      } else {
        await appendFile(path, lines(pending), { mode: 0o600 });
      }
      this.#isBroken = false;
    } catch (error) {
      // All of it is in memory: the next try writes it.
      this.#mustRenew = true;
      if (!this.#isBroken) onTrouble(`the history cannot be written: ${messageOf(error)}`);
      this.#isBroken = true;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }
}

/** The runs in the rows, with how they ended as far as it is known. */
export function pastRuns(rows: readonly HistoryRow[]) {
  const ends = new Map(rows.flatMap((row) => (row.event === 'exec-end' ? [[row.run, row]] : [])));
  return rows
    .filter(({ event }) => event === 'exec')
    .map((row) => ({
      ...row,
      ...(row.run !== undefined && ends.get(row.run)),
      atMs: row.atMs,
      startedMs: row.atMs - (row.durationMs ?? 0),
    }));
}

/** The buildlet's host type, and when it was created, as far as the rows go back. */
export const beginningOf = ({ rows }: HistoryEntry) => ({
  hostType: rows.find(({ hostType }) => hostType !== undefined)?.hostType,
  createdMs: rows[0]?.event === 'create' ? rows[0].atMs : undefined,
});

const lines = (rows: readonly HistoryRow[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('');
