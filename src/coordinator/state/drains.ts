// Machines that an admin has taken out of use, in a file of their own: they stay so when the coordinator starts again.
import * as v from 'valibot';
import { namedValues } from '../../config/values.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { readStateFile } from './state-directory.ts';

const drainSchema = v.object({ note: v.string(), since: v.string() });
const fileSchema = v.object({ machines: namedValues(v.string(), drainSchema) });

export type Drain = v.InferOutput<typeof drainSchema>;

export class Drains {
  readonly #path: string;
  readonly #drains: Map<string, Drain>;

  private constructor(path: string, drains: Map<string, Drain>) {
    this.#path = path;
    this.#drains = drains;
  }

  /** Throws ERR_CONFIG when the file cannot be read: a machine that is being repaired must not be lent for that. */
  static async open(path: string): Promise<Drains> {
    const parse = (value: unknown) => v.parse(fileSchema, value).machines;
    return new Drains(
      path,
      (await readStateFile(path, parse, 'correct or remove it')) ?? new Map(),
    );
  }

  readonly isDrained = (machine: string): boolean => this.#drains.has(machine);

  get(machine: string): Drain | undefined {
    return this.#drains.get(machine);
  }

  /** Resolves when it is written. */
  async drain(machine: string, note: string): Promise<void> {
    await this.#change((next) => {
      next.set(machine, { note, since: new Date().toISOString() });
    });
  }

  async undrain(machine: string): Promise<void> {
    await this.#change((next) => {
      next.delete(machine);
    });
  }

  async #change(change: (next: Map<string, Drain>) => void): Promise<void> {
    const next = new Map(this.#drains);
    change(next);
    await writeWhole(this.#path, `${JSON.stringify({ machines: Object.fromEntries(next) })}\n`);
    change(this.#drains);
  }
}
