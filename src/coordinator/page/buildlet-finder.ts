// Which buildlets a viewer may see: what is not theirs is as if it were not there.
import { sendError } from '../../http/server/reply.ts';
import type { Coordinator } from '../coordinator.ts';
import type { CoordinatorExchange } from '../http/server.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { User } from '../state/user-records.ts';

const noneText = 'there is no such buildlet, or it is not yours';

export const maySee = (user: User, { owner }: { readonly owner: string }): boolean =>
  user.isAdmin || owner === user.name;

export class BuildletFinder {
  readonly #book: SessionBook;
  readonly #coordinator: Coordinator;

  constructor(book: SessionBook, coordinator: Coordinator) {
    this.#book = book;
    this.#coordinator = coordinator;
  }

  find(user: User, name: string): Session | undefined {
    const session = this.#book.get(name);
    return session !== undefined && maySee(user, session) ? session : undefined;
  }

  /** The session of the parameter `name`, whose machine can be asked; answers when there is none. */
  running({ response, query }: CoordinatorExchange, user: User): Session | undefined {
    const session = this.find(user, query.get('name') ?? '');
    if (session === undefined) return void sendError(response, 404, noneText);
    if (session.state === 'running') return session;
    return void sendError(response, 404, 'it has no machine that could be asked any more');
  }

  async lookAt(session: Session) {
    return await this.#coordinator.views.lookAt(session);
  }
}

/** Answers that there is no such buildlet. */
export const sendNoBuildlet = ({ response }: Pick<CoordinatorExchange, 'response'>): void =>
  sendError(response, 404, noneText);
