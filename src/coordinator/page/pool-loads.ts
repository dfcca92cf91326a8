// How much each pool had to do in the last 24 hours: the most that was in use, and that waited, in each 10 minutes.
import * as v from 'valibot';
import { errnoOf, messageOf } from '../../errors.ts';
import { readOwnFile } from '../../files/private-file.ts';
import { writeWhole } from '../../files/write-whole.ts';

interface Load {
  readonly name: string;
  readonly lent: number;
  readonly waiting: number;
}

/** The oldest first; null: there was no sample. */
interface LoadSeries {
  readonly used: readonly (number | null)[];
  readonly waiting: readonly (number | null)[];
}

interface LoadsView {
  readonly stepMs: number;
  /** When the last step ends. */
  readonly endMs: number;
  readonly pools: Readonly<Record<string, LoadSeries>>;
}

interface PoolLoadsOptions {
  /** Where they are kept over a restart. */
  readonly path: string;
  readonly now: () => readonly Load[];
  readonly onTrouble: (what: string) => void;
}

const stepMs = 600_000;
const stepCount = 144;

/** How often is looked when nothing changes, in ms. */
const lookMs = 30_000;

/** How many pools are remembered that may have gone since. */
const poolLimit = 500;

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const fileSchema = v.object({
  pools: v.pipe(
    v.array(v.tuple([v.string(), v.array(v.tuple([count, count, count]))])),
    v.maxLength(poolLimit),
  ),
});

/** By the number of the step since 1970. */
type Steps = Map<number, { used: number; waiting: number }>;

export class PoolLoads {
  readonly #options: PoolLoadsOptions;
  readonly #pools: Map<string, Steps>;
  readonly #timer: NodeJS.Timeout;
  #savedStep = stepNow();

  constructor(options: PoolLoadsOptions) {
    this.#options = options;
    this.#pools = this.#read();
    this.#timer = setInterval(() => this.look(), lookMs).unref();
  }

  #read(): Map<string, Steps> {
    const { path, onTrouble } = this.#options;
    try {
      const { pools } = v.parse(fileSchema, JSON.parse(readOwnFile(path)));
      return new Map(
        pools.map(([name, steps]) => [
          name,
          new Map(
            steps.slice(-stepCount).map(([step, used, waiting]) => [step, { used, waiting }]),
          ),
        ]),
      );
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') onTrouble(`${path} is left out: ${messageOf(error)}`);
      return new Map();
    }
  }

  /** Notes how it is at the moment. */
  look(): void {
    const step = stepNow();
    for (const { name, lent, waiting } of this.#options.now()) {
      const steps: Steps = this.#pools.get(name) ?? new Map();
      this.#pools.set(name, steps);
      const before = steps.get(step) ?? { used: 0, waiting: 0 };
      steps.set(step, {
        used: Math.max(before.used, lent),
        waiting: Math.max(before.waiting, waiting),
      });
    }
    if (step === this.#savedStep) return;
    this.#savedStep = step;
    this.#forget(step);
    void this.save();
  }

  #forget(step: number): void {
    for (const [name, steps] of this.#pools) {
      for (const one of steps.keys()) {
        if (one <= step - stepCount || one > step) steps.delete(one);
      }
      if (steps.size === 0 || this.#pools.size > poolLimit) this.#pools.delete(name);
    }
  }

  /** Resolves when all is written, or cannot be. */
  async save(): Promise<void> {
    const pools = [...this.#pools].map(([name, steps]) => [
      name,
      [...steps].map(([step, { used, waiting }]) => [step, used, waiting]),
    ]);
    const { path, onTrouble } = this.#options;
    await writeWhole(path, `${JSON.stringify({ pools })}\n`).catch((error: unknown) =>
      onTrouble(`the use of pools cannot be written: ${messageOf(error)}`),
    );
  }

  get view(): LoadsView {
    const last = stepNow();
    const at = Array.from({ length: stepCount }, (_, i) => last - stepCount + 1 + i);
    const pools = [...this.#pools].map(([name, steps]): [string, LoadSeries] => [
      name,
      {
        used: at.map((step) => steps.get(step)?.used ?? null),
        waiting: at.map((step) => steps.get(step)?.waiting ?? null),
      },
    ]);
    return { stepMs, endMs: (last + 1) * stepMs, pools: Object.fromEntries(pools) };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.save();
  }
}

const stepNow = (): number => Math.floor(Date.now() / stepMs);
