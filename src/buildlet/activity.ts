// Records when commands last ran: files that they wrote are not newer.
import { readdirSync } from '../files/named-fs.ts';
import type { Handler } from '../http/server/server.ts';

export class Activity {
  #running = 0;
  #lastAtMs: number;
  readonly #onBegin: () => void;

  /**
   * When the work directory is not empty, an earlier process of the buildlet may have run commands.
   *
   * @param onBegin Called before each command.
   */
  constructor(workDir: string, onBegin: () => void) {
    this.#onBegin = onBegin;
    this.#lastAtMs = readdirSync(workDir).length > 0 ? Date.now() : -Infinity;
  }

  /** Call when a command begins; call the result when it has ended. */
  begin(): () => void {
    this.#onBegin();
    this.#running++;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#running--;
      this.#lastAtMs = Date.now();
    };
  }

  /** The last time at which a command ran: now, while one is running; -Infinity, before the first. */
  get ranAtMs(): number {
    return this.#running > 0 ? Date.now() : this.#lastAtMs;
  }
}

/** Wraps a handler whose requests run commands. */
export const during =
  (activity: Activity, handle: Handler): Handler =>
  async (exchange) => {
    const ended = activity.begin();
    try {
      await handle(exchange);
    } finally {
      ended();
    }
  };
