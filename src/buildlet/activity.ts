// When commands last ran: files that they made are not newer than that.
import { readdirSync } from '../files/named-fs.ts';
import type { Handler } from '../http/server/server.ts';

export class Activity {
  #running = 0;
  #lastAtMs: number;

  /** When the work directory is not empty, an earlier process of the buildlet may have run commands. */
  constructor(workDir: string) {
    this.#lastAtMs = readdirSync(workDir).length > 0 ? Date.now() : 0;
  }

  /** A command begins; what it gives is to be called when that has ended. */
  begin(): () => void {
    this.#running++;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#running--;
      this.#lastAtMs = Date.now();
    };
  }

  /** The last moment at which a command ran: now, while one does. */
  get ranMs(): number {
    return this.#running > 0 ? Date.now() : this.#lastAtMs;
  }
}

/** The handler of requests that each run a command. */
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
