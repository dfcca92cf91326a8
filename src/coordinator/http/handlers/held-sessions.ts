// POST /hold for a session: it ends soon after its last holder has disconnected.
import { isGomoteError } from '../../../errors.ts';
import { Hold, serveHold } from '../../../http/server/hold.ts';
import type { Exchange } from '../../../http/server/server.ts';
import { pingIntervalMs } from '../../../protocol/session.ts';
import type { Coordinator } from '../../coordinator.ts';
import type { Session } from '../../sessions/session.ts';
import type { User } from '../../state/user-records.ts';

/** How often a held session is marked as used, in ms. */
const usedEveryMs = 60_000;

export class HeldSessions {
  readonly #coordinator: Coordinator;
  /** By the session's name and creation time, because names are reused. */
  readonly #holds = new Map<string, Hold>();

  constructor(coordinator: Coordinator) {
    this.#coordinator = coordinator;
  }

  /** Answers a request to hold the session, or to release it. */
  async serve(exchange: Exchange, session: Session, user: User): Promise<void> {
    const key = `${session.name} ${session.createdMs}`;
    const hold = this.#holds.get(key) ?? new Hold(() => void this.#end(key, session, user));
    this.#holds.set(key, hold);
    const beat = setInterval(() => this.#coordinator.used(session), usedEveryMs);
    try {
      this.#coordinator.used(session);
      await serveHold(hold, exchange, pingIntervalMs);
    } finally {
      clearInterval(beat);
      if (!hold.isActive) this.#holds.delete(key);
    }
  }

  async #end(key: string, session: Session, user: User): Promise<void> {
    this.#holds.delete(key);
    try {
      const found = await this.#coordinator.find(user, session.name);
      if (found.createdMs !== session.createdMs) return;
      await this.#coordinator.end(found, user, 'its client has gone');
    } catch (error) {
      // It has ended meanwhile, or the failure has been logged: releasing a machine is retried.
      if (!isGomoteError(error)) throw error;
    }
  }
}
