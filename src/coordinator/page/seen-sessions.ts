// Which buildlets a viewer may see: what is not theirs is as if it were not there.
import { sendError } from '../../http/server/reply.ts';
import type { CoordinatorExchange } from '../http/server.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { User } from '../state/user-records.ts';

const noneText = 'there is no such buildlet, or it is not yours';

export const maySee = (user: User, { owner }: { readonly owner: string }): boolean =>
  user.isAdmin || owner === user.name;

export function seenSession(book: SessionBook, user: User, name: string): Session | undefined {
  const session = book.get(name);
  return session !== undefined && maySee(user, session) ? session : undefined;
}

/** The session of the parameter `name`, whose machine can be asked; answers when there is none. */
export function runningSession(
  { response, query }: CoordinatorExchange,
  book: SessionBook,
  user: User,
): Session | undefined {
  const session = seenSession(book, user, query.get('name') ?? '');
  if (session === undefined) return void sendError(response, 404, noneText);
  if (session.state === 'running') return session;
  return void sendError(response, 404, 'it has no machine that could be asked any more');
}

/** Answers that there is no such buildlet. */
export const sendNoBuildlet = ({ response }: Pick<CoordinatorExchange, 'response'>): void =>
  sendError(response, 404, noneText);
