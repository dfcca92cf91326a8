// Machines that are created before they are requested.
import { isOwnShortage, messageOf } from '../../errors.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { Pool } from './pool.ts';
import { pause } from './retry.ts';

interface ReadyMachinesOptions {
  readonly pool: Pool;
  readonly signal: AbortSignal;
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
  readonly onTrouble: (what: string, error: unknown) => void;
  /** Called when one is ready, could not be made, or may be tried again. */
  readonly onChange: () => void;
  /** Called with one that was ready and is of no use. */
  readonly onDead: (id: string) => void;
}

/** How long a machine may take to answer, in ms. */
const answerTimeoutMs = 10_000;

export class ReadyMachines {
  readonly #options: ReadyMachinesOptions;
  readonly #ready: string[] = [];
  #making = 0;
  #wanted = 0;
  /** Under way after a machine could not be made. */
  #pause: Promise<void> | undefined;
  #retryMs: number | undefined;

  constructor(options: ReadyMachinesOptions) {
    this.#options = options;
  }

  get ids(): readonly string[] {
    return [...this.#ready];
  }

  get count(): number {
    return this.#ready.length;
  }

  /** Those that are ready or being made. */
  get total(): number {
    return this.#ready.length + this.#making;
  }

  has(id: string): boolean {
    return this.#ready.includes(id);
  }

  /** Takes out the first that will do. */
  take(isMeant: (id: string) => boolean): string | undefined {
    const id = this.#ready.find(isMeant);
    if (id !== undefined) this.remove(id);
    return id;
  }

  /** Takes out a machine that is gone; whether it was here. */
  remove(id: string): boolean {
    const at = this.#ready.indexOf(id);
    if (at >= 0) this.#ready.splice(at, 1);
    return at >= 0;
  }

  /** Sets how many are kept; returns the surplus. */
  setWanted(count: number): string[] {
    this.#wanted = count;
    return this.#ready.splice(count);
  }

  /** Whether one more is to be made now: after a failure there is a pause, in which requests that wait get the room. */
  get isWanted(): boolean {
    return this.#pause === undefined && this.total < this.#wanted;
  }

  /** Probes each, which also keeps it from ending as unused. */
  async look(): Promise<void> {
    await Promise.all([...this.#ready].map((id) => this.#lookAt(id)));
  }

  async #lookAt(id: string): Promise<void> {
    const { pool, onTrouble, onDead, signal: closed } = this.#options;
    const signal = anySignal(closed, timeoutSignal(answerTimeoutMs));
    try {
      const client = await pool.connect(id);
      await client.status({ signal }).finally(() => client.disconnect());
      await pool.renew?.(id, { signal });
    } catch (error) {
      if (closed.aborted || isOwnShortage(error) || !this.remove(id)) return;
      onTrouble(`${id}, which was ready, does not answer: ${messageOf(error)}`, error);
      onDead(id);
    }
  }

  async make(): Promise<void> {
    const { pool, signal, onTrouble, onChange, firstRetryMs, longestRetryMs } = this.#options;
    this.#making++;
    try {
      this.#ready.push(await pool.acquire({ wanted: [], signal, onProgress: () => undefined }));
      this.#retryMs = undefined;
    } catch (error) {
      if (signal.aborted) return;
      onTrouble(`making a machine of the pool ${pool.name} ahead: ${messageOf(error)}`, error);
      this.#retryMs = Math.min((this.#retryMs ?? firstRetryMs / 2) * 2, longestRetryMs);
      this.#pause ??= pause(this.#retryMs, signal).then(() => {
        this.#pause = undefined;
        onChange();
      });
    } finally {
      this.#making--;
      onChange();
    }
  }
}
